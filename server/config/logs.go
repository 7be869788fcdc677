package config

import (
	"fmt"
	"net/url"

	"github.com/spf13/pflag"

	"slipway.dev/observability/logs"
)

// Logs are where log lines come from and go to besides the node's files and the embedded store.
type Logs struct {
	// Forward is the address of the input for other senders of the Fluentd forward
	// protocol; ForwardKeys is the file with the shared key of each namespace.
	Forward     string `yaml:"forward"`
	ForwardKeys string `yaml:"forwardKeys"`
	// Fluent is the forward input of a Fluentd or Fluent Bit that gets every line as
	// well; FluentKey is the file with its shared key, FluentCA makes it TLS, to whom
	// FluentServerName names if that is not the host of Fluent.
	Fluent           string `yaml:"fluent"`
	FluentKey        string `yaml:"fluentKey"`
	FluentCA         string `yaml:"fluentCA"`
	FluentServerName string `yaml:"fluentServerName"`
	// Elasticsearch is the URL of one that gets every line as well.
	Elasticsearch            string `yaml:"elasticsearch"`
	ElasticsearchCredentials string `yaml:"elasticsearchCredentials"`
	ElasticsearchCA          string `yaml:"elasticsearchCA"`
	ElasticsearchServerName  string `yaml:"elasticsearchServerName"`
	// Read is where lines are read that nobody says otherwise of: store or elasticsearch.
	Read string `yaml:"read"`
	// Buffer is how many bytes wait on disk for each of these while it is away.
	Buffer int64 `yaml:"buffer"`
}

const minLogBuffer = 16 << 20

func (l *Logs) flags(fs *pflag.FlagSet) {
	fs.StringVar(&l.Forward, "logs-forward", l.Forward, "address at which other senders of the Fluentd forward protocol bring lines, such as :24224; logs.forward in the file")
	fs.StringVar(&l.ForwardKeys, "logs-forward-keys", l.ForwardKeys, "file with a line NAMESPACE KEY for each namespace that may be sent to; logs.forwardKeys in the file")
	fs.StringVar(&l.Fluent, "logs-fluent", l.Fluent, "HOST:PORT of a Fluentd or Fluent Bit that gets every line as well; logs.fluent in the file")
	fs.StringVar(&l.FluentKey, "logs-fluent-key", l.FluentKey, "file with its shared key; logs.fluentKey in the file")
	fs.StringVar(&l.FluentCA, "logs-fluent-ca", l.FluentCA, "file with the authority of its certificate: lines go by TLS; logs.fluentCA in the file")
	fs.StringVar(&l.FluentServerName, "logs-fluent-server-name", l.FluentServerName, "name in its certificate, if not the HOST above; logs.fluentServerName in the file")
	fs.StringVar(&l.Elasticsearch, "logs-elasticsearch", l.Elasticsearch, "URL of an Elasticsearch 8 or later that gets every line as well; logs.elasticsearch in the file")
	fs.StringVar(&l.ElasticsearchCredentials, "logs-elasticsearch-credentials", l.ElasticsearchCredentials, "file with an API key, or USER:PASSWORD; logs.elasticsearchCredentials in the file")
	fs.StringVar(&l.ElasticsearchCA, "logs-elasticsearch-ca", l.ElasticsearchCA, "file with the authority of its certificate; logs.elasticsearchCA in the file")
	fs.StringVar(&l.ElasticsearchServerName, "logs-elasticsearch-server-name", l.ElasticsearchServerName, "name in its certificate, if not the host of its URL; logs.elasticsearchServerName in the file")
	fs.StringVar(&l.Read, "logs-read", l.Read, "where the console and slipway logs read lines: store, or elasticsearch, the one above; logs.read in the file")
	fs.Int64Var(&l.Buffer, "logs-buffer", l.Buffer, "bytes of lines that wait on disk for each of them while it is away; logs.buffer in the file")
}

func (l *Logs) check() error {
	if l.Forward != "" {
		// It is TLS with the front door's certificate wherever it is not on loopback.
		if err := (logs.Input{Address: l.Forward, KeysFile: l.ForwardKeys, CertFile: "front door"}).Check(); err != nil {
			return fmt.Errorf("logs.forward: %w", err)
		}
	}
	if l.FluentServerName != "" && l.FluentCA == "" {
		return fmt.Errorf("logs.fluentServerName %q: lines go by TLS only with logs.fluentCA", l.FluentServerName)
	}
	if l.Elasticsearch != "" {
		if u, err := url.Parse(l.Elasticsearch); err != nil || u.Host == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("logs.elasticsearch: want a URL such as https://elasticsearch:9200, without credentials")
		}
	}
	switch {
	case l.Read != "store" && l.Read != "elasticsearch":
		return fmt.Errorf("logs.read %q: want store or elasticsearch", l.Read)
	case l.Read == "elasticsearch" && l.Elasticsearch == "":
		return fmt.Errorf("logs.read elasticsearch: logs.elasticsearch names none")
	}
	if l.Buffer < minLogBuffer {
		return fmt.Errorf("logs.buffer %d: at least %d bytes", l.Buffer, minLogBuffer)
	}
	return nil
}
