package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestAnswer(t *testing.T) {
	var out bytes.Buffer
	err := answer(strings.NewReader(`{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest",
		"image":"registry.slipway.internal/default/hello","serviceAccountToken":"a.b.c","serviceAccountAnnotations":{}}`), &out)
	if err != nil {
		t.Fatal(err)
	}
	var r response
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	got := r.Auth["registry.slipway.internal/default/hello"]
	if got.Username != username || got.Password != "a.b.c" || r.CacheKeyType != "Image" || r.Kind != "CredentialProviderResponse" {
		t.Errorf("%+v", r)
	}
}

func TestPodWithoutIdentity(t *testing.T) {
	var out bytes.Buffer
	if err := answer(strings.NewReader(`{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest","image":"x"}`), &out); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, `"auth":{}`) || !strings.Contains(s, `"cacheDuration":"0s"`) {
		t.Error(s)
	}
}

func TestBadRequests(t *testing.T) {
	for _, s := range []string{"", "x", "{}", `{"serviceAccountToken":"planted-secret"`, `{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest"}`, strings.Repeat(" ", maxRequest+1)} {
		var out bytes.Buffer
		err := answer(strings.NewReader(s), &out)
		if err == nil || out.Len() > 0 {
			t.Errorf("%.40q was answered: %s", s, &out)
		}
		if err != nil && strings.Contains(err.Error(), "planted-secret") {
			t.Error("the error tells the token")
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest","image":"a/b","serviceAccountToken":"t"}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		if err := answer(bytes.NewReader(data), &out); err == nil && !json.Valid(out.Bytes()) {
			t.Fatalf("%q", out.Bytes())
		}
	})
}
