package gitlab

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzCompile: any bytes give a plan that holds together, or problems; never a panic.
func FuzzCompile(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		p, problems := Compile(File, content, context(""))
		if (p == nil) != (len(problems) > 0) {
			t.Fatalf("plan %v and problems %v", p, problems)
		}
		for _, x := range problems {
			if x.Message == "" || x.Rule == "" || x.Line < 0 || x.Column < 0 {
				t.Errorf("%+v", x)
			}
		}
		if p == nil {
			return
		}
		if err := p.Check(); err != nil {
			t.Error(err)
		}
		if _, err := p.Encode(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzExpression: any text is read or refused, and what is read can be evaluated.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{`$A`, `$A == "a" && ($B || null)`, `$A =~ /^a\/b/i`, `$A !~ $RE`, `(((`, `"`, `/`, `$A =~ /(a+)+$/`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseExpr(s)
		if err != nil {
			return
		}
		first, err1 := n.eval(vars)
		again, err2 := n.eval(vars)
		if first != again || (err1 == nil) != (err2 == nil) {
			t.Errorf("%q is %v, then %v", s, first, again)
		}
	})
}
