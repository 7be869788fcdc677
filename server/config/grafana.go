package config

import (
	"fmt"
	"net/url"

	"github.com/spf13/pflag"

	"slipway.dev/observability/grafana"
)

// Grafana is one that somebody else runs, in which dashboards and data sources are kept.
type Grafana struct {
	// URL of it; empty: none.
	URL string `yaml:"url"`
	// Credentials is a file with the token of a service account, or USER:PASSWORD.
	Credentials string `yaml:"credentials"`
	// CA is the authority of its certificate, where it is no public one.
	CA string `yaml:"ca"`
	// DatasourceURL is the front door as Grafana reaches it; default URL of the server.
	DatasourceURL string `yaml:"datasourceURL"`
	// Edits of people to our dashboards: keep or overwrite.
	Edits string `yaml:"edits"`
}

func (g *Grafana) flags(fs *pflag.FlagSet) {
	fs.StringVar(&g.URL, "grafana-url", g.URL, "URL of a Grafana that gets folders, data sources and dashboards; grafana.url in the file")
	fs.StringVar(&g.Credentials, "grafana-credentials", g.Credentials, "file with the token of a service account of its with the role Admin, or USER:PASSWORD; grafana.credentials in the file")
	fs.StringVar(&g.CA, "grafana-ca", g.CA, "file with the authority of its certificate; grafana.ca in the file")
	fs.StringVar(&g.DatasourceURL, "grafana-datasource-url", g.DatasourceURL, "address at which Grafana reaches the front door (default that of --url); grafana.datasourceURL in the file")
	fs.StringVar(&g.Edits, "grafana-edits", g.Edits, "what happens to dashboards that people edited there: keep or overwrite; grafana.edits in the file")
}

func (g *Grafana) check() (err error) {
	if g.Edits != grafana.Keep && g.Edits != grafana.Overwrite {
		return fmt.Errorf("grafana.edits %q: want %s or %s", g.Edits, grafana.Keep, grafana.Overwrite)
	}
	if g.URL == "" {
		return nil
	}
	for setting, given := range map[string]string{"url": g.URL, "datasourceURL": g.DatasourceURL} {
		if given != "" && !isServer(given) {
			return fmt.Errorf("grafana.%s: want a URL such as https://grafana.example, without credentials", setting)
		}
	}
	if g.Credentials == "" {
		return fmt.Errorf("grafana.credentials: name the file with the token of a service account of %s", g.URL)
	}
	if g.Credentials, err = existing("grafana.credentials", g.Credentials); err == nil {
		g.CA, err = existing("grafana.ca", g.CA)
	}
	return err
}

// isServer says whether a text is the URL of a server, without credentials.
func isServer(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" && (u.Scheme == "http" || u.Scheme == "https")
}
