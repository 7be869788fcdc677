// Program slipway-credential owns how a pod's own identity becomes the
// credential with which the kubelet pulls its images: it is an exec plugin of
// credentialprovider.kubelet.k8s.io/v1, run once for each pull. It never stores,
// prints or sends anything; the registry has the token verified by TokenReview.
//
// It imports the standard library only, so that it stays small and starts at once.
// Start at answer.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	apiVersion = "credentialprovider.kubelet.k8s.io/v1"
	// username tells people who read the registry's log what the password was.
	username = "serviceaccount"
	// cacheFor is far below the life of the token, which is at least 10 minutes.
	cacheFor = "5m0s"
	// maxRequest bounds what is read; a request holds an image name and a token.
	maxRequest = 1 << 20
)

// request is the part of CredentialProviderRequest that is used.
type request struct {
	APIVersion          string `json:"apiVersion"`
	Kind                string `json:"kind"`
	Image               string `json:"image"`
	ServiceAccountToken string `json:"serviceAccountToken"`
}

// response is a CredentialProviderResponse.
type response struct {
	APIVersion    string                `json:"apiVersion"`
	Kind          string                `json:"kind"`
	CacheKeyType  string                `json:"cacheKeyType"`
	CacheDuration string                `json:"cacheDuration"`
	Auth          map[string]authConfig `json:"auth"`
}

type authConfig struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

func main() {
	if err := answer(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "slipway-credential:", err)
		os.Exit(1)
	}
}

// answer reads one request and writes the response to it.
func answer(in io.Reader, out io.Writer) error {
	data, err := io.ReadAll(io.LimitReader(in, maxRequest+1))
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	if len(data) > maxRequest {
		return errors.New("request is larger than 1 MiB")
	}
	var r request
	if err := json.Unmarshal(data, &r); err != nil {
		// The text of the error could quote the token.
		return errors.New("request is not JSON; the kubelet runs this program, people do not need to")
	}
	if r.APIVersion != apiVersion || r.Kind != "CredentialProviderRequest" {
		return fmt.Errorf("request is %q %q, not a CredentialProviderRequest of %s", r.APIVersion, r.Kind, apiVersion)
	}
	if r.Image == "" {
		return errors.New("request names no image")
	}
	a := response{APIVersion: apiVersion, Kind: "CredentialProviderResponse", CacheKeyType: "Image", CacheDuration: cacheFor, Auth: map[string]authConfig{}}
	if r.ServiceAccountToken == "" {
		// A pod without an identity: nothing to say, and nothing to remember.
		a.CacheDuration = "0s"
	} else {
		a.Auth[r.Image] = authConfig{Username: username, Password: r.ServiceAccountToken}
	}
	return json.NewEncoder(out).Encode(a)
}
