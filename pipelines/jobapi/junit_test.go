package jobapi

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
)

const junitFile = `<?xml version="1.0" encoding="ISO-8859-1"?>
<testsuites>
 <testsuite name="outer" tests="2">
  <properties><property name="a" value="b"/></properties>
  <testsuite name="inner">
   <testcase classname="shop.Cart" name="adds" time="1,000.25"><system-out>not kept of what passed</system-out></testcase>
   <testcase classname="shop.Cart" name="pays" time="0.5">
    <failure message="expected 3" type="AssertionError"><![CDATA[at cart.go:12 <b> & more]]></failure>
    <system-out>printed</system-out><system-err> and said</system-err>
   </testcase>
  </testsuite>
  <testcase name="skips"><skipped message="not on Sundays"/></testcase>
  <testcase name="breaks"><error>panic: nil</error></testcase>
 </testsuite>
</testsuites>`

func TestReadTests(t *testing.T) {
	r, err := readTests([][]byte{[]byte(junitFile), []byte(`<testsuite name="one"><testcase name="x" time="nonsense"/></testsuite>`)})
	require.NoError(t, err)
	require.Equal(t, v1alpha1.TestCounts{Total: 5, Failed: 1, Skipped: 1, Errors: 1, Seconds: "1000.750"}, r.Counts)
	require.Equal(t, []TestCase{
		{Suite: "inner", Class: "shop.Cart", Name: "adds", Status: "passed", Seconds: 1000.25},
		{Suite: "inner", Class: "shop.Cart", Name: "pays", Status: "failed", Seconds: 0.5, Message: "expected 3\nat cart.go:12 <b> & more", Output: "printed and said"},
		{Suite: "outer", Name: "skips", Status: "skipped", Message: "not on Sundays"},
		{Suite: "outer", Name: "breaks", Status: "error", Message: "panic: nil"},
		{Suite: "one", Name: "x", Status: "passed"},
	}, r.Cases)
}

func TestHostileTestReports(t *testing.T) {
	for name, file := range map[string]string{
		"nested":      strings.Repeat("<a>", 10_000) + strings.Repeat("x", 1<<20),
		"not closed":  "<testsuite><testcase>",
		"not opened":  "<testsuite></testsuite></testsuite>",
		"crossed":     "<testsuite><testcase></testsuite></testcase>",
		"attributes":  "<testsuite " + strings.Repeat(`a="" `, 1<<20) + "/>",
		"no markup":   "<<<<",
		"cut short":   junitFile[:200],
		"entity bomb": `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><testsuite><testcase name="&b;">`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readTests([][]byte{[]byte(file)})
		runtime.ReadMemStats(&after)
		require.True(t, errors.Is(err, errReport), "%s: %v", name, err)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), name)
	}
}

func TestTextOfATestReportIsNoMarkup(t *testing.T) {
	long := "<a " + strings.Repeat("x ", maxXMLTag)
	r, err := readTests([][]byte{[]byte("<testsuite><!-- " + long + " --><testcase name=\"a\"><failure><![CDATA[" + long + "]]></failure></testcase></testsuite>")})
	require.NoError(t, err)
	require.Equal(t, 1, r.Counts.Failed)
}

func TestTestReportsAreCut(t *testing.T) {
	one := `<testcase name="` + strings.Repeat("n", 2*maxTestText) + `"><failure>` + strings.Repeat("f", 2*maxTestText) + `</failure></testcase>`
	r, err := readTests([][]byte{[]byte("<testsuite>" + one + strings.Repeat(`<testcase name="x"/>`, maxTests) + "</testsuite>")})
	require.NoError(t, err)
	require.Equal(t, maxTests+1, r.Counts.Total)
	require.Len(t, r.Cases, maxTests)
	require.True(t, r.Cut)
	require.Len(t, r.Cases[0].Name, maxTestText)
	require.Len(t, r.Cases[0].Message, maxTestText)
}

func FuzzReadTests(f *testing.F) {
	f.Add([]byte(junitFile))
	f.Add([]byte(`<testsuite><testcase><failure/></testcase>`))
	f.Add([]byte("<!-- <a --><![CDATA[<]]><testcase/>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := readTests([][]byte{data}); err == nil && len(r.Cases) > r.Counts.Total {
			t.Fatal("more cases than tests")
		}
	})
}

func FuzzReadDotenv(f *testing.F) {
	f.Add([]byte("A=b\n# no\nC = d\n"))
	f.Add([]byte("=\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		vars, err := readDotenv(data)
		if err != nil {
			return
		}
		for _, v := range vars {
			if v.Name == "" || strings.ContainsAny(v.Name, "\n=") {
				t.Fatalf("%q", v.Name)
			}
		}
	})
}
