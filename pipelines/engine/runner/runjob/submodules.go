package runjob

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"slipway.dev/pipelines/jobapi/wire"
)

// submodules brings those that the job asked for, each with a repository of its own in
// its directory, and registers them as git does.
func (a *attempt) submodules(ctx context.Context, root *os.Root) error {
	body, err := a.Get(ctx, "/submodules")
	if err != nil {
		return err
	}
	var list []wire.Submodule
	err = json.NewDecoder(io.LimitReader(body, wire.MaxJob)).Decode(&list)
	body.Close()
	if err != nil {
		return fmt.Errorf("submodules: %w", err)
	}
	fmt.Fprintf(a.out, "Updating submodules: %d\n", len(list))
	for i := range list {
		if err := a.submodule(ctx, root, i, &list[i]); err != nil {
			return fmt.Errorf("submodule %s: %w", list[i].Path, err)
		}
	}
	return nil
}

func (a *attempt) submodule(ctx context.Context, root *os.Root, index int, s *wire.Submodule) error {
	if !filepath.IsLocal(s.Path) || s.Parent != "" && !strings.HasPrefix(s.Path, s.Parent+"/") {
		return fmt.Errorf("%q is not a path below the project", s.Path)
	}
	// A link that leads out of the project ends here.
	if err := root.MkdirAll(s.Path, 0o755); err != nil {
		return err
	}
	body, err := a.Get(ctx, "/submodules/"+strconv.Itoa(index))
	if err != nil {
		return err
	}
	err = UntarZstd(body, filepath.Join(a.project, s.Path))
	body.Close()
	if err != nil {
		return err
	}
	own, err := root.OpenRoot(s.Path)
	if err != nil {
		return err
	}
	defer own.Close()
	if err := a.setOrigin(own, s.URL); err != nil {
		return err
	}
	if err := refreshIndex(own); err != nil {
		return err
	}
	above, err := root.OpenRoot(path.Join(".", s.Parent))
	if err != nil {
		return err
	}
	defer above.Close()
	if err := configure(above, []setting{{"submodule", s.Name, "active", "true"}, {"submodule", s.Name, "url", s.URL}}); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Submodule path '%s': checked out '%s'\n", s.Path, s.Commit)
	return nil
}
