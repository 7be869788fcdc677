package runjob

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// account is a user of the image.
type account struct {
	uid, gid int
	home     string
	groups   []int
}

// become the user "name" or "name:group" of the image, for this process and all it
// starts. Only an image whose own user is root can do so.
func become(name string) error {
	user, err := os.Open("/etc/passwd")
	if err != nil {
		return fmt.Errorf("image user %s: %w", name, err)
	}
	defer user.Close()
	var groups io.Reader = strings.NewReader("")
	if f, err := os.Open("/etc/group"); err == nil {
		defer f.Close()
		groups = f
	}
	a, err := findUser(name, user, groups)
	if err != nil {
		return err
	}
	if os.Getuid() == a.uid {
		return nil
	}
	if os.Getuid() != 0 {
		return fmt.Errorf("image user %s: the image's own user is %d and may not change; give its number in place of its name", name, os.Getuid())
	}
	if err := syscall.Setgroups(a.groups); err != nil {
		return fmt.Errorf("image user %s: %w", name, err)
	}
	if err := syscall.Setgid(a.gid); err != nil {
		return fmt.Errorf("image user %s: %w", name, err)
	}
	if err := syscall.Setuid(a.uid); err != nil {
		return fmt.Errorf("image user %s: %w", name, err)
	}
	return os.Setenv("HOME", a.home)
}

// findUser in the texts of /etc/passwd and /etc/group.
func findUser(name string, passwd, group io.Reader) (account, error) {
	user, wanted, _ := strings.Cut(name, ":")
	a := account{uid: -1}
	for sc := bufio.NewScanner(passwd); sc.Scan(); {
		f := strings.Split(sc.Text(), ":")
		if len(f) < 6 || f[0] != user {
			continue
		}
		uid, err1 := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		if err1 == nil && err2 == nil {
			a.uid, a.gid, a.home = uid, gid, f[5]
		}
		break
	}
	if a.uid < 0 {
		return a, fmt.Errorf("image user %s: the image's /etc/passwd has no user %q", name, user)
	}
	found := wanted == ""
	for sc := bufio.NewScanner(group); sc.Scan(); {
		f := strings.Split(sc.Text(), ":")
		if len(f) < 4 {
			continue
		}
		gid, err := strconv.Atoi(f[2])
		if err != nil {
			continue
		}
		if f[0] == wanted {
			a.gid, found = gid, true
		}
		for member := range strings.SplitSeq(f[3], ",") {
			if member == user {
				a.groups = append(a.groups, gid)
			}
		}
	}
	if !found {
		return a, fmt.Errorf("image user %s: the image's /etc/group has no group %q", name, wanted)
	}
	a.groups = append(a.groups, a.gid)
	return a, nil
}
