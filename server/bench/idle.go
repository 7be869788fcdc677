package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// settle is how long the server gets to finish what the rounds before left to do.
const settle = 20 * time.Second

// ticks of processor time in a second, as /proc has them on every Linux.
const ticks = 100

// idle watches every process of the instance, those of its pods too.
func (b *bench) idle(ctx context.Context, in *instance, name string) error {
	if err := pause(ctx, settle); err != nil {
		return err
	}
	before, began := cpuTicks(processes(in.dir)), time.Now()
	if err := pause(ctx, b.IdleFor); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	set := processes(in.dir)
	used := 0
	for pid, n := range cpuTicks(set) {
		used += n - before[pid]
	}
	memory, unread := 0, 0
	for pid := range set {
		kb, err := proportional(pid)
		if err != nil {
			unread++
		}
		memory += kb
	}
	if memory == 0 {
		return errors.New("no process could be read")
	}
	b.report.add(name+": memory (proportional set size)", "MiB", float64(memory)/1024)
	b.report.add(name+": share of one core", "%", float64(used)/ticks/took*100)
	b.report.add(name+": processes", "", float64(len(set)-unread))
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// processes are those whose command line names dir and all that they started.
// This process and its other children are not among them.
func processes(dir string) map[int]bool {
	set, parents := map[int]bool{}, map[int]int{}
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, e := range entries {
		pid, err := strconv.Atoi(filepath.Base(e))
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, err := os.ReadFile(e + "/cmdline")
		fields := stat(pid)
		if err != nil || fields == nil {
			continue
		}
		parents[pid], _ = strconv.Atoi(fields[1])
		if strings.Contains(string(line), dir+"\x00") || strings.Contains(string(line), dir+"/") {
			set[pid] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for pid, parent := range parents {
			if set[parent] && !set[pid] {
				set[pid], grown = true, true
			}
		}
	}
	return set
}

// stat is /proc/pid/stat from the state on, nil when the process is gone.
func stat(pid int) []string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	i := strings.LastIndexByte(string(b), ')')
	if err != nil || i < 0 {
		return nil
	}
	fields := strings.Fields(string(b)[i+1:])
	if len(fields) < 15 {
		return nil
	}
	return fields
}

// cpuTicks is what each process has used, with what its ended children had.
func cpuTicks(set map[int]bool) map[int]int {
	out := map[int]int{}
	for pid := range set {
		if fields := stat(pid); fields != nil {
			for _, f := range fields[11:15] {
				n, _ := strconv.Atoi(f)
				out[pid] += n
			}
		}
	}
	return out
}

// processorTime that an instance has used, in seconds: that of processes which have ended
// counts where their parents are still there.
func processorTime(dir string) float64 {
	sum := 0
	for _, n := range cpuTicks(processes(dir)) {
		sum += n
	}
	return float64(sum) / ticks
}

// proportional is a process's share of memory in KiB.
func proportional(pid int) (int, error) {
	all, _, err := shares(pid)
	return all, err
}

// shares are a process's share of memory in KiB, and what of it are mapped files.
func shares(pid int) (all, files int, err error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
		switch {
		case err != nil:
		case name == "Pss":
			all = kb
		case name == "Pss_File":
			files = kb
		}
	}
	if all == 0 {
		return 0, 0, errors.New("no Pss")
	}
	return all, files, nil
}
