package plan

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestExpand(t *testing.T) {
	vars := map[string]string{"A": "1", "AB": "2", "EMPTY": "", "D": "$A"}
	tests := []struct{ in, want string }{
		{"", ""}, {"plain", "plain"}, {"$A", "1"}, {"${A}", "1"}, {"x$A.y", "x1.y"}, {"$AB$A", "21"},
		{"${A}B", "1B"}, {"$$A", "$A"}, {"$$$A", "$1"}, {"$", "$"}, {"a$", "a$"}, {"$1", "$1"}, {"${", "${"},
		{"${A", "${A"}, {"${A-x}", "${A-x}"}, {"$(ls)", "$(ls)"}, {"$EMPTY", ""}, {"$NOPE", "$NOPE"}, {"$D", "$A"},
		{"${}", "${}"}, {"ü$A", "ü1"},
	}
	for _, tt := range tests {
		got := Expand(tt.in, func(n string) (string, bool) { v, ok := vars[n]; return v, ok })
		if got != tt.want {
			t.Errorf("%q gives %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestEnvironWithout(t *testing.T) {
	p := &Plan{Predefined: []Variable{{Name: "A", Value: "0"}}, Variables: []Variable{{Name: "A", Value: "1"}, {Name: "B", Value: "$A"}}, Given: []Variable{{Name: "C", Value: "$A$B"}}}
	for want, j := range map[string]*Job{"1 1 11": {}, "0 0 00": {Without: []string{"A"}}, "0  0": {Without: []string{"A", "B"}}, "1  1": {Without: []string{"B", "C"}}} {
		got := map[string]string{}
		for _, v := range Environ(p, j, nil, nil, nil) {
			got[v.Name] = v.Value
		}
		if s := got["A"] + " " + got["B"] + " " + got["C"]; s != want {
			t.Errorf("without %v: %q, want %q", j.Without, s, want)
		}
	}
}

func TestEnviron(t *testing.T) {
	p := &Plan{
		Predefined: []Variable{{Name: "CI", Value: "true"}, {Name: "REF", Value: "main$x", Raw: true}},
		Variables:  []Variable{{Name: "HOST", Value: "$SUB.example.org"}, {Name: "SUB", Value: "shop"}, {Name: "X", Value: "file"}},
		Given:      []Variable{{Name: "X", Value: "hand"}},
	}
	j := &Job{
		Predefined: []Variable{{Name: "JOB", Value: "test"}},
		Variables:  []Variable{{Name: "SUB", Value: "$JOB-$N"}, {Name: "X", Value: "job"}, {Name: "LOOP", Value: "a$LOOP"}, {Name: "RAW", Value: "$CI", Raw: true}, {Name: "R", Value: "$REF $PW $GONE."}, {Name: "TAG", Value: "job"}, {Name: "TAG2", Value: "job"}, {Name: "SUB2", Value: "job"}},
	}
	got := map[string]string{}
	for _, v := range Environ(p, j, []Variable{{Name: "N", Value: "2"}},
		[]Variable{{Name: "TAG", Value: "v$CI", Raw: true}, {Name: "SUB2", Value: "dotenv"}},
		[]Variable{{Name: "PW", Value: "p$CI", Raw: true}, {Name: "TAG2", Value: "secret"}}) {
		if _, twice := got[v.Name]; twice {
			t.Errorf("%s is there twice", v.Name)
		}
		got[v.Name] = v.Value
	}
	for name, want := range map[string]string{"HOST": "test-2.example.org", "X": "hand", "LOOP": "a$LOOP", "RAW": "$CI", "R": "main$x p$CI .", "PW": "p$CI", "TAG": "v$CI", "TAG2": "secret", "SUB2": "dotenv"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

// TestReferenceToAFile is its name, where that is known, and never changes the file.
func TestReferenceToAFile(t *testing.T) {
	j := &Job{Variables: []Variable{{Name: "ARGS", Value: "--config ${CONFIG} $ARGS2"}, {Name: "ARGS2", Value: "$CONFIG"}}}
	file := []Variable{{Name: "CONFIG", Value: "a: $b\n", Raw: true, File: true}}
	for dir, want := range map[string]string{"/builds/default/shop.tmp": "--config /builds/default/shop.tmp/CONFIG /builds/default/shop.tmp/CONFIG", "": "--config a: $b\n a: $b\n"} {
		for _, v := range EnvironAt(dir, &Plan{}, j, nil, nil, file) {
			switch {
			case v.Name == "ARGS" && v.Value != want:
				t.Errorf("in %q: %q", dir, v.Value)
			case v.Name == "CONFIG" && (v.Value != file[0].Value || !v.File):
				t.Errorf("the file itself: %+v", v)
			}
		}
	}
}

// TestAliasBombOfVariables: values that double one another stay within the limit.
func TestAliasBombOfVariables(t *testing.T) {
	vars := []Variable{{Name: "V0", Value: strings.Repeat("x", 1000)}}
	for range 40 {
		prev := vars[len(vars)-1].Name
		vars = append(vars, Variable{Name: prev + "X", Value: strings.Repeat("$"+prev+" ", 10)})
	}
	for _, v := range Resolve(vars) {
		if len(v.Value) > MaxValue {
			t.Fatalf("%s has %d bytes", v.Name, len(v.Value))
		}
	}
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"$A", "${A}", "$$", "${", "$A${B}$$C", "a$", "${A$B}"} {
		f.Add(s, "1", "$A$B")
	}
	f.Fuzz(func(t *testing.T, in, a, b string) {
		out := Resolve([]Variable{{Name: "A", Value: a}, {Name: "B", Value: b}, {Name: "V", Value: in}})
		for _, v := range out {
			if len(v.Value) > MaxValue {
				t.Errorf("%s has %d bytes", v.Name, len(v.Value))
			}
			if utf8.ValidString(in) && utf8.ValidString(a) && utf8.ValidString(b) && !utf8.ValidString(v.Value) {
				t.Errorf("%q is not valid text", v.Value)
			}
		}
		if !strings.Contains(in, "$") && out[2].Value != in && len(in) <= MaxValue {
			t.Errorf("%q became %q", in, out[2].Value)
		}
	})
}
