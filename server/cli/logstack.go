package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

const logstackPath = "/api/v1/logstack"

func logstackVerb(c *user) *cobra.Command {
	v := &cobra.Command{Use: "logstack", Short: "Fluentd, Elasticsearch, Logstash and Kibana on this cluster, of images that you name (administrators)"}
	v.AddCommand(logstackApply(c), logstackShow(c), logstackRemove(c))
	return v
}

// stackFlags are the fields of a LogStack that most people set.
type stackFlags struct {
	file, fluentd, elasticsearch, logstash, kibana string
	storage, class                                 string
	replicas, retention                            int32
	pullSecrets                                    []string
}

func logstackApply(c *user) *cobra.Command {
	var f stackFlags
	cmd := &cobra.Command{
		Use: "apply", Short: "Have them, or change them", Args: cobra.NoArgs,
		Example: "  slipway logstack apply -f logstack.yaml\n  slipway logstack apply --fluentd IMAGE --elasticsearch IMAGE --kibana IMAGE --storage 50Gi",
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, err := f.spec(cmd.InOrStdin())
			if err != nil {
				return err
			}
			if err := c.Call(cmd.Context(), "PUT", logstackPath, spec, nil); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "applied; `slipway logstack show` says how it is")
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.file, "file", "f", "", "YAML or JSON of a LogStack, - for standard input")
	fs.StringVar(&f.fluentd, "fluentd", "", "image of Fluentd, with fluent-plugin-elasticsearch")
	fs.StringVar(&f.elasticsearch, "elasticsearch", "", "image of Elasticsearch 8 or later")
	fs.StringVar(&f.logstash, "logstash", "", "image of Logstash, where one is wanted")
	fs.StringVar(&f.kibana, "kibana", "", "image of Kibana, where one is wanted; of Elasticsearch's version")
	fs.Int32Var(&f.replicas, "replicas", 1, "nodes of Elasticsearch")
	fs.StringVar(&f.storage, "storage", "10Gi", "storage of each node of Elasticsearch")
	fs.StringVar(&f.class, "storage-class", "", "its storage class (default the cluster's)")
	fs.Int32Var(&f.retention, "retention", 14, "days that lines are kept in Elasticsearch")
	fs.StringSliceVar(&f.pullSecrets, "pull-secret", nil, "Secret of the namespace "+slipway.LogStackNamespace+" to pull images with")
	cmd.MarkFlagsOneRequired("file", "fluentd")
	cmd.MarkFlagsRequiredTogether("fluentd", "elasticsearch")
	for _, flag := range []string{"fluentd", "elasticsearch", "logstash", "kibana", "replicas", "storage", "storage-class", "retention", "pull-secret"} {
		cmd.MarkFlagsMutuallyExclusive("file", flag)
	}
	return cmd
}

// spec is what the flags, or the file, say.
func (f stackFlags) spec(in io.Reader) (*slipway.LogStackSpec, error) {
	if f.file != "" {
		return f.read(in)
	}
	size, err := resource.ParseQuantity(f.storage)
	if err != nil {
		return nil, usageError{fmt.Errorf("--storage %q: want a quantity such as 50Gi", f.storage)}
	}
	spec := &slipway.LogStackSpec{
		Fluentd: slipway.FluentdSpec{Image: f.fluentd}, PullSecrets: f.pullSecrets,
		Elasticsearch: slipway.ElasticsearchSpec{Image: f.elasticsearch, Replicas: f.replicas, Retention: f.retention, Storage: slipway.StackStorage{Size: size, Class: f.class}},
	}
	if f.logstash != "" {
		spec.Logstash = &slipway.LogstashSpec{Image: f.logstash}
	}
	if f.kibana != "" {
		spec.Kibana = &slipway.KibanaSpec{Image: f.kibana}
	}
	return spec, nil
}

func (f stackFlags) read(in io.Reader) (*slipway.LogStackSpec, error) {
	if f.file != "-" {
		file, err := os.Open(f.file)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return nil, err
	}
	var l slipway.LogStack
	if err := yaml.UnmarshalStrict(text, &l); err != nil {
		return nil, fmt.Errorf("%s: %w", f.file, err)
	}
	if l.Kind != "" && l.Kind != "LogStack" {
		return nil, fmt.Errorf("%s: kind %q; want LogStack", f.file, l.Kind)
	}
	if l.Spec.Fluentd.Image == "" || l.Spec.Elasticsearch.Image == "" {
		return nil, fmt.Errorf("%s: %w", f.file, errors.New("want spec.fluentd.image and spec.elasticsearch.image"))
	}
	return &l.Spec, nil
}

func logstackShow(c *user) *cobra.Command {
	return &cobra.Command{Use: "show", Aliases: []string{"get", "status"}, Args: cobra.NoArgs, Short: "How they are, and how to reach them", RunE: func(cmd *cobra.Command, _ []string) error {
		var l slipway.LogStack
		if err := c.Call(cmd.Context(), "GET", logstackPath, nil, &l); err != nil {
			return err
		}
		t := table{header: []string{"PART", "STATE", "PODS", "ADDRESS", "MESSAGE"}}
		for _, p := range l.Status.Components {
			message := p.Message
			if message == "" && p.Name == "elasticsearch" {
				message = l.Status.ElasticsearchHealth
			}
			t.add(p.Name, p.State, fmt.Sprintf("%d/%d", p.Ready, p.Wanted), p.Address, message)
		}
		if err := c.print(cmd.OutOrStdout(), &l, t); err != nil || c.output == "json" || c.output == "yaml" {
			return err
		}
		_, err := fmt.Fprint(cmd.OutOrStdout(), reachStack(&l))
		return err
	}}
}

// reachStack says what is wrong with the whole, and how a person gets in.
func reachStack(l *slipway.LogStack) string {
	var b strings.Builder
	if len(l.Status.Components) == 0 {
		fmt.Fprintf(&b, "\n%s\n", l.Status.Message)
	}
	const ns = slipway.LogStackNamespace
	if l.Spec.Kibana != nil {
		fmt.Fprintf(&b, "\nKibana: `slipway kubectl -n %s port-forward service/kibana 5601`, then https://localhost:5601 as elastic\n", ns)
	} else {
		fmt.Fprintf(&b, "\nElasticsearch: `slipway kubectl -n %s port-forward service/elasticsearch 9200`, then https://localhost:9200 as elastic\n", ns)
	}
	fmt.Fprintf(&b, "Password: `slipway kubectl -n %s get secret logstack-passwords -o go-template='{{.data.elastic | base64decode}}'`\n", ns)
	return b.String()
}

func logstackRemove(c *user) *cobra.Command {
	var data bool
	cmd := &cobra.Command{
		Use: "remove", Aliases: []string{"delete"}, Args: cobra.NoArgs, Short: "Take them away; claims and passwords stay, for another apply",
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, said := logstackPath, "removed; claims and passwords are still in the namespace "+slipway.LogStackNamespace
			if data {
				path, said = path+"?data=true", "removed, with its data"
			}
			if err := c.Call(cmd.Context(), "DELETE", path, nil, nil); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), said)
			return nil
		},
	}
	cmd.Flags().BoolVar(&data, "with-data", false, "the lines in Elasticsearch too, also those that an earlier removal left")
	return cmd
}
