package cli

import (
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestPairsTakeValuesAsTheyAre(t *testing.T) {
	var vars map[string]string
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	fs.Var(pairs{&vars}, "var", "")
	require.NoError(t, fs.Parse([]string{"--var", `A=x=1,b=c`, "--var", `B="q"`, "--var", "C=", "--var", "A=2"}))
	require.Equal(t, map[string]string{"A": "2", "B": `"q"`, "C": ""}, vars)
	require.ErrorContains(t, fs.Parse([]string{"--var", "nothing"}), "write NAME=VALUE")
	require.ErrorContains(t, fs.Parse([]string{"--var", "=x"}), "write NAME=VALUE")
}
