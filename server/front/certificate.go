package front

import (
	"crypto/tls"
	"net"
)

// Pair is the files of a certificate and its key.
type Pair struct{ Cert, Key string }

// Certificates picks the certificate of a handshake: the given one for the names and
// addresses that it is for, and for those that nobody knows; our own, by which jobs and
// nodes know the server, for the others. The files are read each time, so that a renewed
// certificate needs no restart. Given may be empty.
func Certificates(own, given Pair) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		ours, err := tls.LoadX509KeyPair(own.Cert, own.Key)
		if given == (Pair{}) {
			return &ours, err
		}
		theirs, theirErr := tls.LoadX509KeyPair(given.Cert, given.Key)
		if theirErr != nil {
			return nil, theirErr
		}
		name := asked(hello)
		if err == nil && theirs.Leaf.VerifyHostname(name) != nil && ours.Leaf.VerifyHostname(name) == nil {
			return &ours, nil
		}
		return &theirs, nil
	}
}

// asked is the name that a client asks for; one that asks for an address does not say which.
func asked(hello *tls.ClientHelloInfo) string {
	if hello.ServerName != "" || hello.Conn == nil {
		return hello.ServerName
	}
	host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String())
	if err != nil {
		return ""
	}
	return host
}
