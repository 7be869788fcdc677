package netpol

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/netpol/reading"
	"slipway.dev/cluster/netpol/rules"
	"slipway.dev/cluster/node/layout"
)

// A node with pods, wired as the CNI plugin ptp does it, and a machine outside; each is a
// network namespace that goes with the test.
type net4 struct {
	t       *testing.T
	node    netns.NsHandle
	hosts   map[netip.Addr]netns.NsHandle
	outside netip.Addr
}

var podAddrs = []netip.Addr{netip.MustParseAddr("10.42.0.2"), netip.MustParseAddr("10.42.0.4"), netip.MustParseAddr("10.42.1.3"), netip.MustParseAddr("10.42.1.9")}

const gateway = "10.42.0.1"

// within calls f on a thread in that network namespace.
func within(ns netns.NsHandle, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends
		if err := netns.Set(ns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func newNamespace(t *testing.T) netns.NsHandle {
	t.Helper()
	made := make(chan netns.NsHandle)
	var err error
	go func() {
		runtime.LockOSThread()
		var ns netns.NsHandle
		ns, err = netns.New()
		made <- ns
	}()
	ns := <-made
	if err != nil {
		t.Fatalf("network namespace: %v; these tests need root", err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	if err := within(ns, func() error { return up("lo") }); err != nil {
		t.Fatal(err)
	}
	return ns
}

func up(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

func newNet(t *testing.T) *net4 {
	n := &net4{t: t, node: newNamespace(t), hosts: map[netip.Addr]netns.NsHandle{}, outside: netip.MustParseAddr("203.0.113.9")}
	n.must(within(n.node, func() error {
		return errors.Join(os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644), os.WriteFile("/proc/sys/net/ipv4/icmp_ratelimit", []byte("0"), 0o644))
	}))
	for i, a := range podAddrs {
		n.connect(fmt.Sprintf("veth%08x", i), gateway, a)
	}
	n.connect("uplink0", "203.0.113.1", n.outside)
	for _, ns := range n.hosts {
		n.must(within(ns, func() error { return errors.Join(n.listen("tcp"), n.listen("udp")) }))
	}
	return n
}

func (n *net4) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// connect adds a host by a pair of interfaces, with a route to it and all of its own by
// the node.
func (n *net4) connect(name, gw string, a netip.Addr) {
	ns := newNamespace(n.t)
	n.hosts[a] = ns
	run := func(in netns.NsHandle, args ...string) {
		n.t.Helper()
		n.must(within(in, func() error {
			if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
				return fmt.Errorf("ip %v: %w %s", args, err, out)
			}
			return nil
		}))
	}
	n.must(within(n.node, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = name
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns)})
	}))
	run(n.node, "address", "add", gw+"/32", "dev", name)
	run(n.node, "link", "set", name, "up")
	run(n.node, "route", "add", a.String()+"/32", "dev", name)
	run(ns, "address", "add", a.String()+"/32", "dev", "eth0")
	run(ns, "link", "set", "eth0", "up")
	run(ns, "route", "add", gw+"/32", "dev", "eth0")
	run(ns, "route", "add", "default", "via", gw)
}

// listen answers on every port that tests use, here.
func (n *net4) listen(protocol string) error {
	for _, port := range reading.Ports {
		at := fmt.Sprintf("0.0.0.0:%d", port)
		if protocol == "tcp" {
			l, err := net.Listen("tcp4", at)
			if err != nil {
				return err
			}
			n.t.Cleanup(func() { _ = l.Close() })
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go echo(c)
				}
			}()
			continue
		}
		c, err := net.ListenPacket("udp4", at)
		if err != nil {
			return err
		}
		n.t.Cleanup(func() { _ = c.Close() })
		go func() {
			b := make([]byte, 16)
			for {
				k, from, err := c.ReadFrom(b)
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err == nil {
					_, _ = c.WriteTo(b[:k], from)
				}
			}
		}()
	}
	return nil
}

func echo(c net.Conn) {
	defer c.Close()
	b := make([]byte, 16)
	for {
		k, err := c.Read(b)
		if err != nil {
			return
		}
		_, _ = c.Write(b[:k])
	}
}

// lets sends a packet from one host to another and waits for the answer.
func (n *net4) lets(p reading.Packet) (passes bool) {
	_ = within(n.hosts[p.From], func() error {
		c, err := reach(p.Protocol, fmt.Sprintf("%s:%d", p.To, p.Port))
		passes = err == nil
		if err == nil {
			_ = c.Close()
		}
		if p.Protocol == "tcp" && errors.Is(err, os.ErrDeadlineExceeded) {
			n.t.Errorf("%v hangs in place of being refused", p)
		}
		return nil
	})
	return passes
}

// reach connects and has something echoed.
func reach(protocol, to string) (net.Conn, error) {
	c, err := net.DialTimeout(protocol+"4", to, 2*time.Second)
	if err != nil {
		return nil, err
	}
	if err := again(c, protocol); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func again(c net.Conn, protocol string) error {
	limit := 2 * time.Second
	if protocol == "udp" {
		limit = 200 * time.Millisecond // what is refused may be limited in its rate
	}
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}

// enforce puts what the policies say into the node's kernel.
func (n *net4) enforce(t *table, in rules.Input) rules.Table {
	n.t.Helper()
	want, _ := rules.Compile(in)
	n.must(within(n.node, func() error { return t.apply(n.t.Context(), want) }))
	return want
}

func (n *net4) nft(args ...string) string {
	n.t.Helper()
	var out []byte
	n.must(within(n.node, func() (err error) {
		if out, err = exec.Command("nft", args...).CombinedOutput(); err != nil {
			err = fmt.Errorf("nft %v: %w %s", args, err, out)
		}
		return err
	}))
	return string(out)
}

func (n *net4) open() (t *table) {
	n.must(within(n.node, func() (err error) { t, err = openTable(); return err }))
	return t
}

// TestKernelAsTheNaiveReading has the kernel judge packets between namespaces by policies
// of every form, each set put in place of the one before it.
func TestKernelAsTheNaiveReading(t *testing.T) {
	n := newNet(t)
	tab := n.open()
	passed, refused := 0, 0
	for seed := range uint64(24) {
		r := rand.New(rand.NewPCG(seed, 11))
		in := reading.Cluster(r, podAddrs, func() bool { return r.IntN(8) > 0 })
		n.enforce(tab, in)
		n.nft("-j", "list", "ruleset") // which people and preflight do, and nft reads not all that it writes
		hosts := append([]netip.Addr{n.outside}, podAddrs...)
		for i := range 60 {
			p := reading.Packet{From: reading.Pick(r, hosts), To: reading.Pick(r, hosts), Protocol: "tcp", Port: reading.Pick(r, reading.Ports)}
			if i%6 == 0 {
				p.Protocol = "udp"
			}
			want := reading.Lets(in, p)
			if got := n.lets(p); got != want {
				t.Fatalf("seed %d: %v passes %t, want %t\n%s", seed, p, got, want, n.nft("list", "table", "ip", layout.PolicyTable))
			}
			if want {
				passed++
			} else {
				refused++
			}
		}
	}
	if passed < 300 || refused < 300 {
		t.Errorf("%d passed and %d were refused: too few to say anything", passed, refused)
	}
	n.must(within(n.node, func() error { return tab.remove(t.Context()) }))
	if left := n.nft("list", "ruleset"); strings.TrimSpace(left) != "" {
		t.Errorf("left: %s", left)
	}
}

// cluster of the four pods: web, api and db of one namespace, and stranger of another.
func cluster(t *testing.T, policies ...string) rules.Input {
	t.Helper()
	in := rules.Input{Namespaces: map[string]labels.Set{"shop": {"team": "shop"}, "other": {}}}
	for i, name := range []string{"web", "api", "db", "stranger"} {
		ns := "shop"
		if name == "stranger" {
			ns = "other"
		}
		in.Pods = append(in.Pods, rules.Pod{Namespace: ns, Name: name, Labels: labels.Set{"app": name}, Addr: podAddrs[i], Local: true})
	}
	for i, spec := range policies {
		p := &networkingv1.NetworkPolicy{}
		if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
			t.Fatal(err)
		}
		p.Namespace, p.Name = "shop", fmt.Sprint("policy-", i)
		in.Policies = append(in.Policies, p)
	}
	return in
}

const (
	denyAll = "{podSelector: {}, policyTypes: [Ingress, Egress]}"
	webOnly = "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}"
)

// TestWhatIsNotJudged: replies, what is between the node and its own pods, a pod and
// itself by way of a service, and connections that there are.
func TestWhatIsNotJudged(t *testing.T) {
	n := newNet(t)
	web, api, db := podAddrs[0], podAddrs[1], podAddrs[2]
	// As kube-proxy has it: a service of web and one of db.
	n.must(within(n.node, func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(fmt.Sprintf(`table ip services {
	chain to { type nat hook prerouting priority dstnat; ip daddr 10.43.0.7 tcp dport 80 dnat to %[1]s:8080; ip daddr 10.43.0.8 tcp dport 80 dnat to %[2]s:9090; }
	chain from { type nat hook postrouting priority srcnat; ip saddr %[1]s ip daddr %[1]s masquerade; }
}`, web, db))
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w %s", err, out)
		}
		return err
	}))
	var held net.Conn
	n.must(within(n.hosts[api], func() (err error) { held, err = reach("tcp", db.String()+":80"); return err }))
	defer held.Close()

	tab := n.open()
	n.enforce(tab, cluster(t, denyAll, webOnly, "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 9090}]}]}"))
	reaches := func(from netns.NsHandle, to string) bool {
		var c net.Conn
		err := within(from, func() (err error) { c, err = reach("tcp", to); return err })
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
	for name, c := range map[string]struct {
		from netns.NsHandle
		to   string
		want bool
	}{
		"the node to its pod":                            {n.node, web.String() + ":80", true},
		"a pod to its node":                              {n.hosts[web], gateway + ":10250", true},
		"a pod to itself":                                {n.hosts[web], web.String() + ":80", true},
		"a pod to itself by a service":                   {n.hosts[web], "10.43.0.7:80", true},
		"a pod to a service, by the pod and port behind": {n.hosts[web], "10.43.0.8:80", true},
		"a port that is not allowed":                     {n.hosts[web], db.String() + ":80", false},
		"a service of a pod that is not allowed":         {n.hosts[api], "10.43.0.8:80", false},
		"out":                                            {n.hosts[api], n.outside.String() + ":80", false},
		"from outside to a service":                      {n.hosts[n.outside], "10.43.0.7:80", false},
		"a stranger":                                     {n.hosts[podAddrs[3]], web.String() + ":80", false},
		"a stranger out":                                 {n.hosts[podAddrs[3]], n.outside.String() + ":80", true},
	} {
		if strings.HasSuffix(c.to, ":10250") {
			n.must(within(n.node, func() error {
				l, err := net.Listen("tcp4", c.to)
				if err == nil {
					t.Cleanup(func() { _ = l.Close() })
					go func() {
						for {
							c, err := l.Accept()
							if err != nil {
								return
							}
							go echo(c)
						}
					}()
				}
				return err
			}))
		}
		if got := reaches(c.from, c.to); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
	if err := again(held, "tcp"); err != nil {
		t.Errorf("a connection from before is cut: %v", err)
	}
	if reaches(n.hosts[api], db.String()+":80") {
		t.Error("and a new one is not refused")
	}
}

// TestNobodySendsAsAnother: a pod that takes the address of one that is allowed reaches
// nobody by it.
func TestNobodySendsAsAnother(t *testing.T) {
	n := newNet(t)
	web, db, stranger := podAddrs[0], podAddrs[2], podAddrs[3]
	tab := n.open()
	n.enforce(tab, cluster(t, webOnly))
	var got net.PacketConn
	n.must(within(n.hosts[db], func() (err error) { got, err = net.ListenPacket("udp4", "0.0.0.0:7777"); return err }))
	defer got.Close()
	send := func(from netip.Addr, word string) {
		n.must(within(n.hosts[from], func() error {
			c, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: web.AsSlice()}}).Dial("udp4", db.String()+":7777")
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Write([]byte(word))
			return err
		}))
	}
	n.must(within(n.hosts[stranger], func() error { return exec.Command("ip", "address", "add", web.String()+"/32", "dev", "lo").Run() }))
	send(stranger, "spoofed")
	send(web, "honest")
	n.must(got.SetReadDeadline(time.Now().Add(time.Minute)))
	b := make([]byte, 16)
	k, _, err := got.ReadFrom(b)
	if err != nil || string(b[:k]) != "honest" {
		t.Errorf("%q %v", b[:k], err)
	}
}

// TestOnlyElements: a pod that comes, or goes, or changes sides, is a few elements.
func TestOnlyElements(t *testing.T) {
	n := newNet(t)
	web, api, db := podAddrs[0], podAddrs[1], podAddrs[2]
	tab := n.open()
	in := cluster(t, webOnly)
	n.enforce(tab, in)
	first := n.nft("-a", "list", "chain", "ip", layout.PolicyTable, through)
	to := func(from netip.Addr) bool {
		return n.lets(reading.Packet{From: from, To: db, Protocol: "tcp", Port: 80})
	}
	if !to(web) || to(api) {
		t.Fatal("web and api are not told apart")
	}
	in.Pods[0].Labels, in.Pods[1].Labels = in.Pods[1].Labels, in.Pods[0].Labels
	n.enforce(tab, in)
	if to(web) || !to(api) {
		t.Error("they changed their labels, and it is as before")
	}
	in.Pods[2].Addr, in.Pods[3].Addr = in.Pods[3].Addr, in.Pods[2].Addr // as where an address is given anew
	n.enforce(tab, in)
	if !to(web) || !to(api) {
		t.Error("the address was given to another pod, and is limited")
	}
	if now := n.nft("-a", "list", "chain", "ip", layout.PolicyTable, through); now != first {
		t.Errorf("the table was written anew:\n%s\n%s", first, now)
	}
	// Whoever takes it away: the next time all of it is written.
	n.nft("delete", "table", "ip", layout.PolicyTable)
	in.Pods[2].Addr, in.Pods[3].Addr = in.Pods[3].Addr, in.Pods[2].Addr
	n.enforce(tab, in)
	if to(web) || !to(api) {
		t.Error("the table was taken away, and is not written anew")
	}
	// With no policy, nothing.
	in.Policies = nil
	n.enforce(tab, in)
	if left := n.nft("list", "ruleset"); strings.TrimSpace(left) != "" || !to(web) {
		t.Errorf("left: %s", left)
	}
}
