package authz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/atomicfile"
)

// The administrator that every server has.
const (
	AdminUser  = "admin"
	AdminGroup = "slipway:admins"
	adminID    = "admin"
)

// EnsureAdmin keeps the administrator's token in the file, mode 0600, and makes both
// the file and the token at the first start. The file decides: delete it and start
// again to get another token.
func (t *Tokens) EnsureAdmin(ctx context.Context, path string) (string, error) {
	text, err := adminFile(path)
	if err != nil {
		return "", err
	}
	_, secret, _ := parseToken(text)
	token := Token{ID: adminID, User: AdminUser, Groups: []string{AdminGroup}, Created: t.now().UTC().Truncate(time.Second), Description: "made at the first start"}
	want, err := token.object(digestOf(secret))
	if err != nil {
		return "", err
	}
	secrets := t.client.CoreV1().Secrets(want.Namespace)
	have, err := secrets.Get(ctx, want.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = secrets.Create(ctx, want, metav1.CreateOptions{FieldManager: "slipway"})
	case err == nil && !bytes.Equal(have.Data[keyDigest], want.Data[keyDigest]):
		have.Data, have.Labels = want.Data, want.Labels
		_, err = secrets.Update(ctx, have, metav1.UpdateOptions{FieldManager: "slipway"})
	}
	if err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	t.remember(adminID, want)
	return text, nil
}

func adminFile(path string) (string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text := formatToken(adminID, randomHex(32))
		return text, atomicfile.Write(path, []byte(text+"\n"), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	text := strings.TrimSpace(string(data))
	if id, _, ok := parseToken(text); !ok || id != adminID {
		return "", fmt.Errorf("admin token: %s does not hold one; delete it and start again to get another", path)
	}
	return text, os.Chmod(path, 0o600)
}
