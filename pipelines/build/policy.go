package build

import (
	spb "github.com/moby/buildkit/sourcepolicy/pb"
)

// sourcePolicy lets a build read images and its own context, nothing else: what
// ADD could fetch from the network would be fetched by the daemon, from where the
// daemon stands. The last rule that matches decides. Images that are frontends are
// denied as well, should a new kind of syntax line ever be followed.
func sourcePolicy() *spb.Policy {
	rule := func(action spb.PolicyAction, pattern string) *spb.Rule {
		return &spb.Rule{Action: action, Selector: &spb.Selector{Identifier: pattern, MatchType: spb.MatchType_REGEX}}
	}
	return &spb.Policy{Version: 1, Rules: []*spb.Rule{
		rule(spb.PolicyAction_DENY, `.*`),
		rule(spb.PolicyAction_ALLOW, `^(docker-image|local)://`),
		rule(spb.PolicyAction_DENY, `^docker-image://docker\.io/(docker/dockerfile|docker/dockerfile-upstream|library/dockerfile)[:@]`),
	}}
}
