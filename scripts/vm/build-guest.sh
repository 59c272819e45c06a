#!/bin/sh
# build-guest.sh FOLDER SUITE MIRROR SECURITY-MIRROR PACKAGE...: makes root.ext4, vmlinuz and initrd.img in FOLDER.
# Run in mount and process namespaces of its own: what it mounts and starts ends with it.
set -eu
folder=$1
suite=$2
mirror=$3
security=$4
shift 4
files=$(dirname "$0")
root=$folder/root

export INITRD=No # the hook of the kernel package need not make one: ours takes a second
mmdebstrap --mode=root --variant=apt \
  --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
  --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include="linux-image-cloud-amd64 systemd-sysv udev kmod procps busybox-static e2fsprogs $*" \
  "$suite" "$root" "deb $mirror $suite main" ${security:+"deb $security $suite-security main"}

cp "$files/vm-tests.service" "$root/etc/systemd/system/"
chroot "$root" systemd-machine-id-setup # without one systemd would take this for a first boot
mkdir "$root/clone"

kernel=$(ls "$root/lib/modules")
cp "$root/boot/vmlinuz-$kernel" "$folder/vmlinuz"

# The disk's drivers are modules: a small initrd loads them, in this order.
initrd=$root/tmp/initrd
mkdir -p "$initrd/bin" "$initrd/dev" "$initrd/modules" "$initrd/root"
cp "$root/bin/busybox" "$initrd/bin/"
install -m 755 "$files/init" "$initrd/init"
chroot "$root" modprobe --set-version "$kernel" --show-depends --all virtio_pci virtio_blk ext4 |
  awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
  while read -r module; do
    cp "$root$module" "$initrd/modules/"
    basename "$module" >>"$initrd/modules/order"
  done
chroot "$root" sh -c 'cd /tmp/initrd && find . | busybox cpio -o -H newc' >"$folder/initrd.img"
rm -r "$initrd" "$root/boot"/*

truncate -s 3G "$folder/root.ext4"
mke2fs -q -t ext4 -E lazy_itable_init=1 -d "$root" "$folder/root.ext4"
rm -r "$root"
