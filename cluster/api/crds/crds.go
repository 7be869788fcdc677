// Package crds owns the CustomResourceDefinitions that a cluster must have: those of
// slipway.dev, made from cluster/api/v1alpha1, Tekton's stored versions, and what the
// Prometheus Operator's users write (monitors, probes, rules). It never
// removes a definition, since that would remove the objects. Start at Install.
package crds

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"golang.org/x/sync/errgroup"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"
)

//go:generate go run ./gen

//go:embed *.yaml tekton/*.yaml monitoring/*.yaml
var files embed.FS

// definition is one file, as JSON.
type definition struct {
	name string
	json []byte
}

func definitions() ([]definition, error) {
	var out []definition
	err := fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(p) != ".yaml" {
			return err
		}
		data, err := files.ReadFile(p)
		if err != nil {
			return err
		}
		if data, err = yaml.YAMLToJSON(data); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		var crd metav1.PartialObjectMetadata
		if err := yaml.Unmarshal(data, &crd); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		out = append(out, definition{crd.Name, data})
		return nil
	})
	return out, err
}

// Install applies every definition and returns when each is established.
func Install(ctx context.Context, config *rest.Config) error {
	config = rest.CopyConfig(config)
	config.QPS = -1
	client, err := apiextensions.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("resource definitions: %w", err)
	}
	defs, err := definitions()
	if err != nil {
		return fmt.Errorf("resource definitions: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, d := range defs {
		group.Go(func() error {
			if err := install(ctx, client.CustomResourceDefinitions(), d); err != nil {
				return fmt.Errorf("resource definition %s: %w", d.name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func install(ctx context.Context, client apiextensions.CustomResourceDefinitionInterface, d definition) error {
	options := metav1.PatchOptions{FieldManager: "slipway", Force: ptr.To(true)}
	crd, err := client.Patch(ctx, d.name, types.ApplyPatchType, d.json, options)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err != nil && !transient(err) {
			return err
		}
		if err == nil && established(crd) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
		if err != nil {
			crd, err = client.Patch(ctx, d.name, types.ApplyPatchType, d.json, options)
		} else {
			crd, err = client.Get(ctx, d.name, metav1.GetOptions{})
		}
	}
}

func transient(err error) bool {
	return apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsInternalError(err) || apierrors.IsConflict(err)
}

func established(crd *apiextensionsv1.CustomResourceDefinition) bool {
	for _, c := range crd.Status.Conditions {
		if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
			return true
		}
	}
	return false
}
