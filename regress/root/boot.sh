#!/bin/sh
# boot.sh TREE DIR: in namespaces of its own (mounts, processes, cgroups, net), a
# systemd that knows the units in DIR/units alone, and /etc, /home, /run, /tmp,
# /usr/local and /var that are gone afterwards. DIR holds what is to be seen later.
set -eu
tree=$1 dir=$2
mount --make-rprivate /
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/etc/upper /run/etc/work /run/dir /run/tree
mount --bind "$dir" /run/dir
mount --bind "$tree" /run/tree
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work \
    overlay /etc
mount -t tmpfs -o mode=755 tmpfs /usr/local
mount -t tmpfs -o mode=755 tmpfs /home
mount -t tmpfs tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /var
mkdir -p /var/db /var/lib /var/log /var/cache /var/empty
mkdir -m 1777 /var/tmp
ln -s /run /var/run
ip link set lo up
export container=stoken SYSTEMD_UNIT_PATH=/run/dir/units
/usr/bin/python3 -B /run/tree/regress/root/inside.py > /run/dir/result 2>&1 &
exec /lib/systemd/systemd --system --log-target=console --log-level=info \
    --show-status=false --unit=multi-user.target
