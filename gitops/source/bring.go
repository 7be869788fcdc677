package source

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/chart"
	"slipway.dev/gitops/render"
)

// bring puts into the tree what a child asked for.
func (w *work) bring(ctx context.Context, needs []render.Need) error {
	var encrypted []string
	for _, n := range needs {
		if _, again := w.req.Brought[n.Key()]; again {
			return fmt.Errorf("render: %s %s was brought and is needed still", n.Kind, n.Name)
		}
		switch n.Kind {
		case render.NeedPlain:
			encrypted = append(encrypted, n.Name)
		case render.NeedChart:
			if err := w.bringDependency(ctx, n); err != nil {
				return at(n, err)
			}
		case render.NeedBase:
			if err := w.bringBase(ctx, n); err != nil {
				return at(n, err)
			}
		default:
			return fmt.Errorf("render: the child needs %q, which nobody brings", n.Kind)
		}
	}
	return w.decrypt(ctx, encrypted)
}

// at adds the file that asked to a refusal without one.
func at(n render.Need, err error) error {
	var refusal *render.Error
	if errors.As(err, &refusal) && refusal.File == "" {
		return &render.Error{File: n.File, Line: n.Line, Message: err.Error()}
	}
	return err
}

// place for something in the directory that is ours.
func (w *work) place(kind string) (name string, err error) {
	name = filepath.Join(render.BroughtDir, fmt.Sprintf("%s-%d", kind, len(w.req.Brought)))
	return name, os.MkdirAll(filepath.Join(w.dir, render.BroughtDir), 0o755)
}

// bringChart brings the chart that the desired value names.
func (w *work) bringChart(ctx context.Context) error {
	h := w.app.Spec.Source.Helm
	cred, err := w.credentials(ctx, w.app)
	if err != nil {
		return err
	}
	file, err := w.Charts.Archive(ctx, chart.Ref{
		Namespace: w.app.Namespace, Repository: h.Repository, Chart: h.Chart, Version: w.desired.Inputs.Version, Credentials: cred,
	}, w.desired.Inputs.Digest)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(w.dir, render.BroughtDir), 0o755); err != nil {
		return err
	}
	return link(file, filepath.Join(w.dir, w.req.Chart.Archive))
}

func (w *work) bringDependency(ctx context.Context, n render.Need) error {
	cred, err := w.credentials(ctx, w.app)
	if err != nil {
		return err
	}
	ref := chart.Ref{Namespace: w.app.Namespace, Repository: n.Repository, Chart: n.Name, Version: n.Version, Credentials: cred}
	found, err := w.Charts.Resolve(ctx, ref)
	if err != nil {
		return err
	}
	file, err := w.Charts.Archive(ctx, ref, found.Digest)
	if err != nil {
		return err
	}
	name, err := w.place("chart")
	if err != nil {
		return err
	}
	w.req.Brought[n.Key()] = name
	return link(file, filepath.Join(w.dir, name))
}

func (w *work) bringBase(ctx context.Context, n render.Need) error {
	if w.Bases == nil {
		return render.Refuse("", 0, "remote bases are not fetched; the server's configuration can allow it (--remote-bases)")
	}
	name, err := w.place("base")
	if err != nil {
		return err
	}
	w.req.Brought[n.Key()] = name
	dir := filepath.Join(w.dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return w.Bases.Base(ctx, n.Name, n.Version, dir)
}

// decrypt has a child with the keys, which runs no template, open files of the tree.
func (w *work) decrypt(ctx context.Context, files []string) error {
	d := w.app.Spec.Source.Decryption
	if len(files) == 0 || d == nil {
		return nil
	}
	for _, f := range files {
		if w.decrypted[f] {
			return render.Refuse(f, 0, "it is encrypted with SOPS twice over")
		}
		w.decrypted[f] = true
	}
	s, err := w.secret(ctx, w.app.Namespace, d.SecretRef.Name)
	if apierrors.IsNotFound(err) {
		return render.Refuse("", 0, "secret %s with the age keys is not there", d.SecretRef.Name)
	}
	if err != nil {
		return err
	}
	job := render.Decryption{Files: files, Secret: d.SecretRef.Name}
	for _, name := range sorted(s.Data) {
		job.Keys = append(job.Keys, string(s.Data[name]))
	}
	plain, err := w.Child.Decrypt(ctx, w.dir, job)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, p := range plain {
		if !w.decrypted[p.File] {
			return fmt.Errorf("render: the child decrypted %q, which nobody asked for", p.File)
		}
		f, err := root.OpenFile(filepath.Clean(p.File), os.O_WRONLY|os.O_TRUNC, 0o644)
		if err != nil {
			return err
		}
		_, err = f.Write(p.Data)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		for _, v := range p.Secrets {
			w.hidden.add(v)
		}
	}
	return nil
}

func sorted(data map[string][]byte) []string {
	out := make([]string, 0, len(data))
	for k := range data {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// keyCA of a credentials Secret is the authority of the host's certificate.
const keyCA = "ca.crt"

// credentials of the application's charts, with the host that they are bound to: without
// one, whoever may write an Application could send any Secret anywhere.
func (r *Renderer) credentials(ctx context.Context, app *v1alpha1.Application) (*chart.Credentials, error) {
	h := app.Spec.Source.Helm
	if h == nil || h.CredentialsSecret == "" {
		return nil, nil
	}
	s := &corev1.Secret{}
	err := r.Reader.Get(ctx, client.ObjectKey{Namespace: app.Namespace, Name: h.CredentialsSecret}, s)
	if apierrors.IsNotFound(err) {
		return nil, render.Refuse("", 0, "secret %s with the credentials of the chart repository is not there", h.CredentialsSecret)
	}
	if err != nil {
		return nil, err
	}
	host := s.Annotations[v1alpha1.AnnotationHost]
	if host == "" {
		wanted := ""
		if u, err := url.Parse(h.Repository); err == nil {
			wanted = u.Host
		}
		return nil, render.Refuse("", 0, "secret %s is not bound to a host; annotate it with %s: %q", h.CredentialsSecret, v1alpha1.AnnotationHost, wanted)
	}
	cred := &chart.Credentials{Host: host, Username: string(s.Data[corev1.BasicAuthUsernameKey]), Password: string(s.Data[corev1.BasicAuthPasswordKey])}
	if ca := s.Data[keyCA]; len(ca) > 0 {
		if cred.Roots, err = x509.SystemCertPool(); err != nil {
			cred.Roots = x509.NewCertPool()
		}
		if !cred.Roots.AppendCertsFromPEM(ca) {
			return nil, render.Refuse("", 0, "secret %s: %s holds no PEM certificate", h.CredentialsSecret, keyCA)
		}
	}
	return cred, nil
}

// link gives a file a second name, or copies it where that cannot be.
func link(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
