package elastic

import (
	"net/http"
	"slices"
	"strings"
)

// Access is what the caller of a request may, as the front door found.
type Access struct {
	User string
	// Every is a caller who reads all namespaces.
	Every bool
	// Read and Write are the namespaces whose lines the caller may read, and to which
	// documents may be written. Home, one of Write, has documents that name none.
	Read, Write []string
	Home        string
}

const (
	headerUser  = "X-Slipway-User"
	headerEvery = "X-Slipway-Every"
	headerRead  = "X-Slipway-Read"
	headerWrite = "X-Slipway-Write"
	headerHome  = "X-Slipway-Home"
)

// Attach puts the access into the header of a request to the store's process, in place
// of whatever the caller wrote there.
func (a Access) Attach(h http.Header) {
	every := ""
	if a.Every {
		every = "1"
	}
	for name, v := range map[string]string{
		headerUser: a.User, headerEvery: every, headerRead: strings.Join(a.Read, ","), headerWrite: strings.Join(a.Write, ","), headerHome: a.Home,
	} {
		h.Set(name, v)
	}
}

// Attached reads what Attach wrote.
func Attached(h http.Header) Access {
	list := func(name string) []string {
		if v := h.Get(name); v != "" {
			return strings.Split(v, ",")
		}
		return nil
	}
	return Access{
		User: h.Get(headerUser), Every: h.Get(headerEvery) == "1", Read: list(headerRead), Write: list(headerWrite), Home: h.Get(headerHome),
	}
}

func (a Access) writes(namespace string) bool { return slices.Contains(a.Write, namespace) }

// mayWrite refuses callers who may only read.
func (a Access) mayWrite() error {
	if len(a.Write) == 0 {
		return refuse(http.StatusForbidden, "security_exception", "action is unauthorized for user [%s]: a role with the verb create on logs allows it", a.User)
	}
	return nil
}
