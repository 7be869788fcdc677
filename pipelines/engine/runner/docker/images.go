package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"text/template"

	"github.com/distribution/reference"

	"slipway.dev/pipelines/engine/runner/runjob"
	"slipway.dev/pipelines/jobapi/wire"
)

// tag gives an image another name.
func (t *tool) tag(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("tag: write docker tag IMAGE NAME")
	}
	name, err := parseTag(args[1])
	if err != nil {
		return err
	}
	from, err := t.store.find(args[0])
	if errors.Is(err, errNoImage) {
		return fmt.Errorf("tag: %s: %w", args[0], err)
	}
	if err != nil {
		return err
	}
	return t.store.put(image{Name: name.String(), DockerImage: from.DockerImage})
}

// push one name, or all tags of a repository.
func (t *tool) push(ctx context.Context, args []string) error {
	f := flags("push")
	all := f.BoolP("all-tags", "a", false, "")
	f.BoolP("quiet", "q", false, "")
	f.Bool("disable-content-trust", false, "")
	f.String("platform", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errors.New("push: write docker push NAME")
	}
	c, err := t.client()
	if err != nil {
		return err
	}
	if !*all {
		return t.pushOne(ctx, c, f.Arg(0))
	}
	repo, err := reference.ParseNormalizedNamed(f.Arg(0))
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	list, err := t.store.read()
	if err != nil {
		return err
	}
	pushed := 0
	for _, i := range list {
		if strings.HasPrefix(i.Name, reference.TrimNamed(repo).Name()+":") {
			if err := t.pushOne(ctx, c, i.Name); err != nil {
				return err
			}
			pushed++
		}
	}
	if pushed == 0 {
		return fmt.Errorf("push: %s: %w", f.Arg(0), errNoImage)
	}
	return nil
}

func (t *tool) pushOne(ctx context.Context, c *runjob.Client, text string) error {
	name, err := parseTag(text)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	i, err := t.store.find(name.String())
	if err != nil {
		return fmt.Errorf("push: %s: %w", name, err)
	}
	pushed, err := c.AskDocker(ctx, "/docker/push", runjob.JSONBody(wire.DockerPush{
		Source: i.Source, Digest: i.Digest, Name: name.Name(), Tag: name.Tag()}), t.errOut)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	fmt.Fprintf(t.out, "The push refers to repository [%s]\n%s: digest: %s size: %d\n", name.Name(), name.Tag(), pushed.Digest, pushed.Size)
	full := name.Name() + "@" + pushed.Digest
	return t.store.change(func(list []image) []image {
		for k := range list {
			if list[k].Digest == i.Digest && !contains(list[k].Pushed, full) {
				list[k].Pushed = append(list[k].Pushed, full)
			}
		}
		return list
	})
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// pull makes an image of a registry known here.
func (t *tool) pull(ctx context.Context, args []string) error {
	f := flags("pull")
	f.BoolP("quiet", "q", false, "")
	f.Bool("disable-content-trust", false, "")
	want := f.String("platform", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errors.New("pull: write docker pull NAME")
	}
	if err := new(buildArgs).platform(*want); err != nil {
		return err
	}
	_, err := t.fetch(ctx, f.Arg(0))
	return err
}

func (t *tool) fetch(ctx context.Context, text string) (image, error) {
	name, err := parse(text)
	if err != nil {
		return image{}, fmt.Errorf("pull: %w", err)
	}
	c, err := t.client()
	if err != nil {
		return image{}, err
	}
	got, err := c.AskDocker(ctx, "/docker/pull", runjob.JSONBody(wire.DockerPull{Name: name.String()}), t.errOut)
	if err != nil {
		return image{}, fmt.Errorf("pull: %w", err)
	}
	i := image{Name: name.String(), DockerImage: *got, Pushed: []string{name.Name() + "@" + got.Digest}}
	fmt.Fprintf(t.out, "Digest: %s\nStatus: Image is up to date for %s\n%s\n", got.Digest, reference.FamiliarString(name), name)
	return i, t.store.put(i)
}

// imagetools create gives images of a registry further tags there.
func (t *tool) imagetools(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "create" {
		return refuse("docker", "buildx imagetools "+strings.Join(args[:min(1, len(args))], ""))
	}
	f := flags("imagetools create")
	tags := f.StringArrayP("tag", "t", nil, "")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if f.NArg() != 1 || len(*tags) == 0 {
		return errors.New("imagetools create: write -t NAME SOURCE; images of several platforms are not put together here")
	}
	i, err := t.fetch(ctx, f.Arg(0))
	if err != nil {
		return err
	}
	for _, text := range *tags {
		if err := t.tag(ctx, []string{i.Name, text}); err != nil {
			return err
		}
		if err := t.push(ctx, []string{text}); err != nil {
			return err
		}
	}
	return nil
}

// remove forgets names; what was pushed stays.
func (t *tool) remove(args []string) error {
	f := flags("rmi")
	force := f.BoolP("force", "f", false, "")
	f.Bool("no-prune", false, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	for _, text := range f.Args() {
		i, err := t.store.find(text)
		if err != nil && !*force {
			return fmt.Errorf("rmi: %s: %w", text, err)
		}
		if err != nil {
			continue
		}
		fmt.Fprintln(t.out, "Untagged:", i.Name)
		if err := t.store.change(func(list []image) []image {
			var kept []image
			for _, o := range list {
				if o.Name != i.Name || o.Digest != i.Digest {
					kept = append(kept, o)
				}
			}
			return kept
		}); err != nil {
			return err
		}
	}
	return nil
}

// row is an image as docker images and its formats have it.
type row struct{ Repository, Tag, ID, Digest, CreatedSince, CreatedAt, Size string }

func (t *tool) images(args []string) error {
	f := flags("images")
	quiet := f.BoolP("quiet", "q", false, "")
	format := f.String("format", "", "")
	for _, n := range []string{"no-trunc", "digests", "tree"} {
		f.Bool(n, false, "")
	}
	f.BoolP("all", "a", false, "")
	f.StringArrayP("filter", "f", nil, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	list, err := t.store.read()
	if err != nil {
		return err
	}
	var rows []row
	for _, i := range list {
		repo, tag := "<none>", "<none>"
		if n, err := reference.ParseNormalizedNamed(i.Name); err == nil {
			repo = reference.FamiliarName(n)
			if tagged, ok := n.(reference.Tagged); ok {
				tag = tagged.Tag()
			}
		}
		if want := f.Arg(0); want != "" && want != repo && want != repo+":"+tag && want != i.Name {
			continue
		}
		rows = append(rows, row{repo, tag, fmt.Sprintf("%.12s", strings.TrimPrefix(i.Digest, "sha256:")), i.Digest, "", i.Created, fmt.Sprintf("%dB", i.Size)})
	}
	switch {
	case *quiet:
		for _, r := range rows {
			fmt.Fprintln(t.out, r.ID)
		}
		return nil
	case *format != "" && *format != "table":
		for _, r := range rows {
			if err := t.show(*format, r); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(t.out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "REPOSITORY\tTAG\tIMAGE ID\tSIZE")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Repository, r.Tag, r.ID, r.Size)
	}
	return w.Flush()
}

// inspected is what docker inspect says of an image.
type inspected struct {
	ID           string `json:"Id"`
	RepoTags     []string
	RepoDigests  []string
	Created      string
	Architecture string
	Os           string
	Size         int64
	Config       json.RawMessage
}

func (t *tool) inspect(args []string) error {
	f := flags("inspect")
	format := f.StringP("format", "f", "", "")
	kind := f.String("type", "image", "")
	f.BoolP("size", "s", false, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *kind != "image" || f.NArg() == 0 {
		return refuse("docker", "inspect")
	}
	list, err := t.store.read()
	if err != nil {
		return err
	}
	var all []inspected
	for _, text := range f.Args() {
		i, err := t.store.find(text)
		if err != nil {
			return fmt.Errorf("inspect: %s: %w", text, err)
		}
		one := inspected{ID: i.Config, RepoDigests: i.Pushed, Created: i.Created, Os: "linux", Architecture: strings.TrimPrefix(platform(), "linux/"), Size: i.Size, Config: i.Details}
		for _, o := range list {
			if n, err := reference.ParseNormalizedNamed(o.Name); err == nil && o.Digest == i.Digest {
				one.RepoTags = append(one.RepoTags, reference.FamiliarString(n))
			}
		}
		if len(one.Config) == 0 {
			one.Config = json.RawMessage("{}")
		}
		all = append(all, one)
	}
	if *format == "" || *format == "json" {
		e := json.NewEncoder(t.out)
		e.SetIndent("", "    ")
		return e.Encode(all)
	}
	for _, one := range all {
		if err := t.showInspected(*format, one); err != nil {
			return err
		}
	}
	return nil
}

// showInspected gives a format what docker gives it: fields by the names of the JSON.
func (t *tool) showInspected(format string, one inspected) error {
	data, err := json.Marshal(one)
	if err != nil {
		return err
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	return t.show(format, fields)
}

// show fills a format of the user's; it sees what it is given and nothing else.
func (t *tool) show(format string, data any) error {
	if format == "json" {
		format = "{{json .}}"
	}
	encode := func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	}
	parsed, err := template.New("").Funcs(template.FuncMap{
		"json": encode, "join": strings.Join, "split": strings.Split, "lower": strings.ToLower, "upper": strings.ToUpper,
	}).Parse(strings.TrimPrefix(format, "table "))
	if err != nil {
		return fmt.Errorf("format: %w", err)
	}
	var b bytes.Buffer
	if err := parsed.Execute(&b, data); err != nil {
		return fmt.Errorf("format: %w", err)
	}
	fmt.Fprintln(t.out, b.String())
	return nil
}
