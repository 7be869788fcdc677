package run

import (
	"testing"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A start that is noticed late is not before the TaskRun was made.
func TestBegan(t *testing.T) {
	second := time.Now().Add(-time.Minute).Truncate(time.Second).UTC()
	made := second.Add(700 * time.Millisecond)
	for annotation, want := range map[string]time.Time{
		"": second, "not a time": second, made.Format(time.RFC3339Nano): made, second.Add(-time.Hour).Format(time.RFC3339Nano): second,
	} {
		start := metav1.NewTime(second)
		tr := &tekton.TaskRun{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{madeAnnotation: annotation}}}
		tr.Status.StartTime = &start
		if got := began(tr); !got.Time.Equal(want) {
			t.Errorf("%q: %s, want %s", annotation, got, want)
		}
	}
}
