package hook

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestSecretsAreReadAtMostEveryMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read, value, fail := 0, "one", error(nil)
		s := &Secrets{Read: func(_ context.Context, ns, name string) ([]byte, error) {
			read++
			time.Sleep(time.Millisecond)
			return []byte(ns + name + value), fail
		}}
		expect := func(want string, reads int) {
			t.Helper()
			got, err := s.Get(t.Context(), "a", "b")
			if want == "" != (err != nil) || string(got) != want || read != reads {
				t.Fatalf("%q %v after %d reads, want %q after %d", got, err, read, want, reads)
			}
		}
		for range 100 {
			go func() { _, _ = s.Get(t.Context(), "a", "b") }()
		}
		synctest.Wait()
		time.Sleep(time.Millisecond)
		expect("abone", 1)
		value = "two"
		expect("abone", 1)
		time.Sleep(briefTime)
		expect("abtwo", 2)
		fail = errors.New("away")
		time.Sleep(briefTime)
		expect("", 3)
		expect("", 4)
		fail = nil
		expect("abtwo", 5)
		for i := range 2 * maxBrief {
			if _, err := s.Get(t.Context(), "a", fmt.Sprint(i)); err != nil || len(s.have) > maxBrief {
				t.Fatal(len(s.have), err)
			}
		}
	})
}
