package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// report is what was measured, in the order it was measured first.
type report struct {
	Started time.Time `json:"started"`
	CPUs    int       `json:"cpus"`
	Figures []*figure `json:"figures"`
}

// figure is one thing that was measured in several rounds.
type figure struct {
	Name   string    `json:"name"`
	Unit   string    `json:"unit,omitempty"`
	Median float64   `json:"median"`
	Rounds []float64 `json:"rounds"`
	// Against is the figure that Ratio compares this one with. Where both have
	// the same rounds, Ratio is the median of the rounds' ratios.
	Against string  `json:"against,omitempty"`
	Ratio   float64 `json:"ratio,omitempty"`
	// number from elsewhere that it is compared with; 0: with another figure.
	number float64
}

func newReport() *report { return &report{Started: time.Now().UTC(), CPUs: runtime.NumCPU()} }

func (r *report) add(name, unit string, value float64) { r.against(name, unit, value, "") }

// against adds a round of a figure that is compared with another one.
func (r *report) against(name, unit string, value float64, other string) {
	f := r.find(name)
	if f == nil {
		f = &figure{Name: name, Unit: unit}
		if other != name {
			f.Against = other
		}
		r.Figures = append(r.Figures, f)
	}
	f.Rounds = append(f.Rounds, value)
}

// beside adds a round of a figure that is compared with a number from elsewhere.
func (r *report) beside(name, unit string, value, number float64, whose string) {
	r.add(name, unit, value)
	f := r.find(name)
	f.Against, f.number = fmt.Sprintf("%s %v %s", whose, number, unit), number
}

func (r *report) find(name string) *figure {
	i := slices.IndexFunc(r.Figures, func(f *figure) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return r.Figures[i]
}

func (r *report) complete() {
	for _, f := range r.Figures {
		f.Median = median(f.Rounds)
	}
	for _, f := range r.Figures {
		if f.number > 0 {
			f.Ratio = f.Median / f.number
			continue
		}
		other := r.find(f.Against)
		if other == nil {
			continue
		}
		if len(other.Rounds) != len(f.Rounds) {
			f.Ratio = f.Median / other.Median
			continue
		}
		ratios := make([]float64, len(f.Rounds))
		for i := range ratios {
			ratios[i] = f.Rounds[i] / other.Rounds[i]
		}
		f.Ratio = median(ratios)
	}
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	switch n := len(s); {
	case n == 0:
		return 0
	case n%2 == 1:
		return s[n/2]
	default:
		return (s[n/2-1] + s[n/2]) / 2
	}
}

// print the figures as a table for people, and below it as JSON for programs.
func (r *report) print(out io.Writer) error {
	r.complete()
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tMEDIAN\tLEAST\tMOST\tROUNDS\tRATIO")
	for _, f := range r.Figures {
		ratio := ""
		if f.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f of %s", f.Ratio, f.Against)
		}
		fmt.Fprintf(w, "%s\t%.2f %s\t%.2f\t%.2f\t%d\t%s\n", f.Name, f.Median, f.Unit, slices.Min(f.Rounds), slices.Max(f.Rounds), len(f.Rounds), ratio)
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// write the JSON alone to a file.
func (r *report) write(file string) error {
	r.complete()
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}
