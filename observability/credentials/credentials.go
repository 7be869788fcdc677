// Package credentials owns how we say who we are to a server of the user's: a file with a
// token, or with USER:PASSWORD. It never keeps what it read: the file may be renewed.
//
// Start at Read.
package credentials

import (
	"fmt"
	"os"
	"strings"
)

// Credentials of a server. User is empty where Secret is a token.
type Credentials struct{ User, Secret string }

// Read a file.
func Read(path string) (Credentials, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Credentials{}, fmt.Errorf("credentials: %w", err)
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return Credentials{}, fmt.Errorf("credentials: %s is empty; it should have a token, or USER:PASSWORD", path)
	}
	return Parse(text), nil
}

// Parse what a file has.
func Parse(text string) Credentials {
	if user, password, ok := strings.Cut(text, ":"); ok {
		return Credentials{user, password}
	}
	return Credentials{Secret: text}
}
