package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// MaxID is the longest job ID; with a run name before and an attempt behind it,
// the whole still fits an object name.
const MaxID = 40

// AssignIDs gives every job its ID: its name in lower case, with what a DNS label
// cannot hold turned to "-". Where two jobs would get the same one, a name that is
// its own slug keeps it and the others end in a hash of their name, so that the
// IDs do not depend on the order of the jobs.
func AssignIDs(jobs []Job) {
	count := map[string]int{}
	for i := range jobs {
		count[slug(jobs[i].Name)]++
	}
	taken := map[string]bool{}
	var rest []int
	for i := range jobs {
		s := slug(jobs[i].Name)
		fits := s != "" && len(s) <= MaxID
		if !fits || (count[s] > 1 && s != jobs[i].Name) || taken[s] {
			rest = append(rest, i)
			continue
		}
		jobs[i].ID = s
		taken[s] = true
	}
	for _, i := range rest {
		jobs[i].ID = hashed(jobs[i].Name, taken)
		taken[jobs[i].ID] = true
	}
}

func hashed(name string, taken map[string]bool) string {
	base := slug(name)
	if base == "" {
		base = "job"
	}
	if n := MaxID - 9; len(base) > n {
		base = strings.TrimRight(base[:n], "-")
	}
	for n := 0; ; n++ {
		in := name
		if n > 0 {
			in += "\x00" + strconv.Itoa(n)
		}
		sum := sha256.Sum256([]byte(in))
		if id := base + "-" + hex.EncodeToString(sum[:4]); !taken[id] {
			return id
		}
	}
}

func slug(name string) string {
	var b strings.Builder
	dash := false
	for i := 0; i < len(name); i++ {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if ('a' <= c && c <= 'z') || ('0' <= c && c <= '9') {
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			dash = false
			b.WriteByte(c)
			continue
		}
		dash = true
	}
	return b.String()
}
