package daemon

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAStopSaysWhatTookLongAndLeavesNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		p := &parting{}
		p.tell(log)
		if out.Len() > 0 {
			t.Errorf("a server that was not stopped says %s", &out)
		}
		quick, slow := p.part("quick"), p.part("slow")
		p.part("never")
		time.Sleep(time.Hour) // of work, which is not part of the stop
		p.begin()
		quick()
		time.AfterFunc(2*time.Second, slow)
		began := time.Now()
		forever := make(chan struct{})
		defer close(forever)
		p.within(10*time.Second, func() error { <-forever; return nil }, log)
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("waited for %v", took)
		}
		p.step("stores", func() { time.Sleep(3 * time.Second) })
		p.tell(log)
		for _, want := range []string{"parts=[never]", "took=13s", `longest="stores 3.0 s, slow 2.0 s"`} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %s in\n%s", want, &out)
			}
		}
	})
}
