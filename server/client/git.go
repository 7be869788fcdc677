package client

import "os"

// GitEnviron is this process's environment for a git that speaks to the server: the token
// travels in a variable, never in an argument, and commits are by the author.
func GitEnviron(token, author, email string) []string {
	return append(os.Environ(),
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: Bearer "+token,
		"GIT_AUTHOR_NAME="+author, "GIT_AUTHOR_EMAIL="+email, "GIT_COMMITTER_NAME="+author, "GIT_COMMITTER_EMAIL="+email,
		"GIT_TERMINAL_PROMPT=0")
}
