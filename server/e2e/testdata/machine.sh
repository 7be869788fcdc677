#!/bin/bash
# machine.sh DIR CGROUP: boots a machine whose root is this one's below a layer of its
# own. It runs in new mount, pid, network, ipc and uts namespaces, as process 1.
#
#   DIR/layer   a tmpfs: what the machine wrote, but for
#   DIR/data    /var/lib/slipway
#   DIR/cni     /var/lib/cni, which other servers of this machine make and remove: what is
#               below a layer must not change
#   DIR/share   /srv, read only
set -eu
dir=$1 group=$2 root=$1/root
if [ "${3:-}" != inside ]; then
	# Into a control group of its own, which is the root of what the machine sees.
	for h in /sys/fs/cgroup/ /sys/fs/cgroup/*/; do
		h=${h%/}
		[ -e "$h/cgroup.procs" ] && [ ! -L "$h" ] && mountpoint -q "$h" || continue
		mkdir -p "$h/$group"
		for f in cpuset.cpus cpuset.mems; do
			[ ! -e "$h/$f" ] || [ -e "$h/cgroup.controllers" ] || cat "$h/$f" >"$h/$group/$f"
		done
		echo $$ >"$h/$group/cgroup.procs"
	done
	exec unshare --cgroup "$0" "$dir" "$group" inside
fi
mount --make-rprivate /
mkdir -p "$dir/root" "$dir/layer/up" "$dir/layer/work" "$dir/data"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/layer/up,workdir=$dir/layer/work" "$root"
if [ ! -e "$dir/layer/made" ]; then
	# Nothing but what every machine has; nothing that would set this kernel.
	rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/rc?.d "$root/usr/local/bin/slipway" "$root/etc/systemd/system/slipway.service"
	for unit in systemd-sysctl.service systemd-modules-load.service systemd-binfmt.service systemd-remount-fs.service getty.target \
		systemd-udevd.service systemd-logind.service systemd-timesyncd.service networking.service ssh.service postgresql.service; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done
	touch "$dir/layer/made"
fi
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
else
	mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
	for h in /sys/fs/cgroup/*; do
		name=${h##*/}
		if [ -L "$h" ]; then
			cp -a "$h" "$root/sys/fs/cgroup/"
		elif [ -e "$h/cgroup.procs" ]; then
			mkdir "$root/sys/fs/cgroup/$name"
			case $name in
			systemd) mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/$name" ;;
			unified) mount -t cgroup2 cgroup "$root/sys/fs/cgroup/$name" ;;
			*) mount -t cgroup -o "$name" cgroup "$root/sys/fs/cgroup/$name" ;;
			esac
		fi
	done
fi
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root/var/lib/slipway" "$root/var/lib/cni" "$root/srv" "$dir/cni"
mount --bind "$dir/cni" "$root/var/lib/cni"
mount --bind "$dir/data" "$root/var/lib/slipway"
mount --rbind "$dir/share" "$root/srv"
ip link set lo up
cd "$root"
exec env -i container=slipway PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd --system --unit=multi-user.target --log-target=console
