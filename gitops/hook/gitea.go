package hook

import "strings"

// giteaForge is Gitea, or what grew out of it, with the headers of the prefixes.
func giteaForge(name string, prefixes ...string) *forge {
	f := &forge{how: "set the repository's webhook secret as the secret of the hook at " + name, parse: parseGitea}
	var where []signature
	for _, p := range prefixes {
		where = append(where, signature{header: p + "Signature"})
		f.event, f.ids = append(f.event, p+"Event"), append(f.ids, p+"Delivery")
	}
	f.verify = signed(append(where, signature{"X-Hub-Signature-256", "sha256="})...)
	return f
}

// parseGitea: the form is GitHub's. Drafts are told by their titles.
func parseGitea(name string, body []byte) (Event, error) {
	e, err := parseHub(name, body)
	if m := e.MergeRequest; m != nil {
		title := strings.ToUpper(m.Title)
		m.Draft = m.Draft || strings.HasPrefix(title, "WIP:") || strings.HasPrefix(title, "[WIP]")
	}
	return e, err
}
