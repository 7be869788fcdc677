package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	startDeadline = 2 * time.Minute
	pollEvery     = 20 * time.Millisecond
)

// waitFor asks a health path until it answers 200, a component fails or time is up.
func (p *ControlPlane) waitFor(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	client, url, err := healthClient(p.config, path)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		last := ask(ctx, client, url)
		if last == nil {
			return nil
		}
		select {
		case err := <-p.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("API server not ready: %w (%w)", last, context.Cause(ctx))
		case <-t.C:
		}
	}
}

func healthClient(c Config, path string) (*http.Client, string, error) {
	pem, err := os.ReadFile(c.PKI.CA)
	if err != nil {
		return nil, "", err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, "", fmt.Errorf("%s: no certificate", c.PKI.CA)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	url := "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(c.APIPort)) + path
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}, url, nil
}

// ask returns nil if the path is well, and otherwise what it says.
func ask(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	var bad []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "[-]") {
			bad = append(bad, strings.TrimSpace(line))
		}
	}
	if len(bad) == 0 {
		return errors.New(resp.Status)
	}
	return errors.New(strings.Join(bad, "; "))
}
