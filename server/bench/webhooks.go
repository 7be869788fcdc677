package bench

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	webhookRate   = 200 // a second
	webhookRounds = 3
	webhookTime   = 5 * time.Second
	webhookSecret = "bench-hook"
)

// webhooks come at 200 a second, each with the body of a push of a few commits; the
// answer means that they are on disk.
func (b *bench) webhooks(ctx context.Context, in *instance) error {
	kube, err := in.kube()
	if err != nil {
		return err
	}
	secret := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": webhookSecret}, "stringData": map[string]any{"token": webhookSecret},
	}}
	secrets := kube.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace("default")
	if _, err := secrets.Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		return err
	}
	repo := map[string]any{"metadata": map[string]any{"name": "hooked"}, "spec": map[string]any{"webhookSecret": webhookSecret}}
	if err := in.client.Call(ctx, "POST", in.client.Path("repositories"), repo, nil); err != nil {
		return err
	}
	body, err := pushed()
	if err != nil {
		return err
	}
	for round := range webhookRounds {
		took, err := deliver(ctx, in.client.Server+"/hooks/generic/hooked", body, fmt.Sprint("round ", round))
		if err != nil {
			return err
		}
		slices.Sort(took)
		for _, p := range []int{50, 99} {
			name := fmt.Sprintf("webhook stored and answered, %d a second, percentile %d", webhookRate, p)
			b.report.add(name, "ms", float64(took[len(took)*p/100].Microseconds())/1000)
		}
	}
	return nil
}

// pushed is the body of a push of ten commits, as GitHub has it.
func pushed() ([]byte, error) {
	commits := make([]map[string]any, 10)
	for i := range commits {
		commits[i] = map[string]any{
			"id": strings.Repeat(fmt.Sprint(i), 40), "message": strings.Repeat("Sell more. ", 20), "timestamp": "2026-01-01T00:00:00Z",
			"author": map[string]any{"name": "Ada", "email": "ada@example.com", "username": "ada"}, "added": []string{"a"}, "modified": []string{"b", "c"}, "removed": []string{},
		}
	}
	return json.Marshal(map[string]any{
		"ref": "refs/heads/main", "before": strings.Repeat("1", 40), "after": strings.Repeat("2", 40), "commits": commits,
		"repository": map[string]any{"id": 1, "full_name": "acme/shop", "clone_url": "https://github.example/acme/shop.git"},
	})
}

// deliver at the rate for a time, and say how long each took to be answered.
func deliver(ctx context.Context, url string, body []byte, id string) ([]time.Duration, error) {
	mac := hmac.New(sha256.New, []byte(webhookSecret))
	mac.Write(body)
	signature := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	defer c.CloseIdleConnections()
	n := int(webhookTime.Seconds() * webhookRate)
	took, errs := make([]time.Duration, n), make([]error, n)
	tick := time.NewTicker(time.Second / webhookRate)
	defer tick.Stop()
	var wg sync.WaitGroup
	for i := range n {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		wg.Go(func() {
			began := time.Now()
			errs[i] = deliverOne(ctx, c, url, body, signature, fmt.Sprint(id, " ", i))
			took[i] = time.Since(began)
		})
	}
	wg.Wait()
	return took, errors.Join(errs...)
}

func deliverOne(ctx context.Context, c *http.Client, url string, body []byte, signature, id string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Signature", signature)
	r.Header.Set("X-Delivery-Id", id)
	res, err := c.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err == nil && res.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("webhook: %s %s", res.Status, answer)
	}
	return err
}
