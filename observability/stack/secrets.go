package stack

import (
	"crypto/rand"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// Names of the Secrets that are kept with the data: without them it could not be read again.
const (
	PasswordsSecret = "logstack-passwords"
	authoritySecret = "logstack-authority"
)

// Users of the Elasticsearch, and other keys of the passwords' Secret.
const (
	// Superuser may do everything.
	Superuser = "elastic"
	// KibanaUser is Kibana's own; people do not log in as it.
	KibanaUser = "kibana_system"
	// Writer writes lines and reads none.
	Writer = "slipway_writer"
	// Reader reads lines and writes none.
	Reader = "slipway_reader"

	sharedKey      = "fluent-shared-key"
	logstashInput  = "logstash-input"
	kibanaSessions = "kibana-sessions"
	kibanaObjects  = "kibana-objects"
)

var passwords = []string{Superuser, KibanaUser, Writer, Reader, sharedKey, logstashInput, kibanaSessions, kibanaObjects}

// Secrets are what the parts know of one another.
type Secrets struct {
	// Passwords by user or key.
	Passwords map[string]string
	// Authority signs the certificates of the parts.
	Authority Pair
	// Leaves are the certificates of the parts.
	Leaves map[string]Pair
}

// Complete makes what is missing, and anew what will not do much longer.
func (s *Secrets) Complete(spec v1alpha1.LogStackSpec, now time.Time) (err error) {
	if s.Passwords == nil {
		s.Passwords = map[string]string{}
	}
	for _, name := range passwords {
		if s.Passwords[name] == "" {
			// Kibana's keys are 32 characters at the least.
			s.Passwords[name] = rand.Text() + rand.Text()
		}
	}
	if s.Authority.Cert == nil {
		if s.Authority, err = newAuthority(now); err != nil {
			return err
		}
	}
	if s.Leaves == nil {
		s.Leaves = map[string]Pair{}
	}
	for _, part := range Wanted(spec) {
		if s.Leaves[part].good(part, s.Authority, now) {
			continue
		}
		if s.Leaves[part], err = newLeaf(part, s.Authority, now); err != nil {
			return fmt.Errorf("certificate of %s: %w", part, err)
		}
	}
	return nil
}

// Wanted are the parts that a stack has.
func Wanted(spec v1alpha1.LogStackSpec) []string {
	parts := []string{Fluentd, Elasticsearch}
	if spec.Logstash != nil {
		parts = append(parts, Logstash)
	}
	if spec.Kibana != nil {
		parts = append(parts, Kibana)
	}
	return parts
}

func leafSecret(part string) string { return part + "-certificate" }

const caKey = "ca.crt"

// kept are the Secrets that stay with the data.
func (s *Secrets) kept() []client.Object {
	words := secret(PasswordsSecret, "")
	words.Data = map[string][]byte{}
	for name, v := range s.Passwords {
		words.Data[name] = []byte(v)
	}
	authority := secret(authoritySecret, "")
	authority.Data = map[string][]byte{corev1.TLSCertKey: s.Authority.Cert, corev1.TLSPrivateKeyKey: s.Authority.Key}
	return []client.Object{words, authority}
}

// leaf is the Secret that a part mounts.
func (s *Secrets) leaf(part string) *corev1.Secret {
	o := secret(leafSecret(part), part)
	o.Data = map[string][]byte{corev1.TLSCertKey: s.Leaves[part].Cert, corev1.TLSPrivateKeyKey: s.Leaves[part].Key, caKey: s.Authority.Cert}
	return o
}

// read takes from a Secret of the cluster what write put into it.
func (s *Secrets) read(o *corev1.Secret) {
	pair := Pair{o.Data[corev1.TLSCertKey], o.Data[corev1.TLSPrivateKeyKey]}
	switch o.Name {
	case PasswordsSecret:
		s.Passwords = map[string]string{}
		for name, v := range o.Data {
			s.Passwords[name] = string(v)
		}
	case authoritySecret:
		s.Authority = pair
	default:
		for _, part := range Parts {
			if o.Name == leafSecret(part) {
				if s.Leaves == nil {
					s.Leaves = map[string]Pair{}
				}
				s.Leaves[part] = pair
			}
		}
	}
}

func secret(name, part string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: meta(name, part)}
}

func meta(name, part string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels(part)}
}
