package supervise

import "testing"

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (a (b) c) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2"))
	f.Add([]byte("12 (x"))
	f.Add([]byte(") S"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if st, err := parseStat(data); err == nil && st.state == 0 {
			t.Fatalf("accepted without a state: %q", data)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"pid":12,"start":5,"boot":"b","command":"c"}`))
	f.Add([]byte(`{"pid":-1}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := parseRecord(data); err == nil && (r.PID < 1 || r.Start == 0) {
			t.Fatalf("accepted %+v", r)
		}
	})
}

func TestParseStat(t *testing.T) {
	st, err := parseStat([]byte("12 (a (b) c) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2"))
	if err != nil || st.start != 98765 || st.state != 'S' {
		t.Fatalf("%+v %v", st, err)
	}
}
