#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The guest's file system: a base archive per kernel, made once from the
# cache, and a small overlay per run with our modules, tests and the job.
# The kernel takes them as one initramfs, one archive behind the other.
# Sourced after scripts/lib.sh; what is in run.sh's "scratch" is removed at its end.

# Kernel modules the guest may want; what they depend on follows.
IMAGE_MODULES=(kernel/net/{8021q,802,bridge,core,ipv4,ipv6,llc,netfilter,netlink,packet,psample,sched,unix,xfrm,9p}
	kernel/drivers/net/{bonding,team,veth.ko,dummy.ko,tun.ko,macvlan.ko,ipvlan,nlmon.ko,ifb.ko,virtio_net.ko,net_failover.ko,vrf.ko,tap.ko}
	kernel/drivers/net/ethernet/intel/{e1000,e1000e,igb,igbvf}
	kernel/drivers/block/{null_blk,brd.ko,loop.ko,virtio_blk.ko} kernel/drivers/nvme
	kernel/drivers/virtio kernel/drivers/md kernel/drivers/char/hw_random/virtio-rng.ko kernel/drivers/pci/pcie/aer_inject.ko
	kernel/fs/{ext4,xfs,fat,9p,configfs,netfs,fscache,overlayfs}
	kernel/fs/nls/nls_{cp437,ascii,utf8}.ko kernel/lib kernel/crypto kernel/arch/x86/crypto)

# Never wanted in the guest: perl, systemd, what udev knows of hardware,
# translations, the C library's character sets, and modules that test the kernel.
IMAGE_PRUNE=(usr/share/perl usr/share/perl5 'usr/lib/x86_64-linux-gnu/perl*' 'usr/bin/perl*' usr/include
	usr/share/zoneinfo 'usr/lib/x86_64-linux-gnu/libperl.so*' usr/lib/systemd usr/lib/udev/hwdb.d usr/share/pixmaps
	usr/lib/python3.11/{test,ensurepip,idlelib,lib2to3,pydoc_data} usr/lib/x86_64-linux-gnu/{gconv,systemd}
	'usr/bin/*ctl' 'usr/bin/systemd*' usr/sbin/xfs_scrub 'usr/lib/x86_64-linux-gnu/lib'{mvec,sqlite3,icutu,icui18n}'.so*')
IMAGE_MODULES_PRUNE=(kernel/lib/test_bpf.ko kernel/drivers/md/{dm-vdo,bcache} kernel/fs/dlm)

# image_base RELEASE: the path of its base archive, named by what it is made
# of: the recipe (this file) and the userland, with its packages' versions
image_base()
{
	local recipe

	recipe=$({ cat "${BASH_SOURCE[0]}"; readlink "$CORELANE_CACHE/guest/current"
		cat "$CORELANE_CACHE/guest/current/.complete"; } | sha256sum)
	printf '%s/images/%s-%s.cpio\n' "$CORELANE_CACHE" "$1" "${recipe:0:12}"
}

image_cpio() # DIR OUTPUT
{
	(cd "$1" && find . -mindepth 1 -print0 | sort -z |
		cpio -o -0 -H newc --quiet -R 0:0 --reproducible) > "$2"
}

# Copy the modules of the list with all they depend on, and index them.
image_modules() # RELEASE ROOT
{
	local release=$1 root=$2 from=$CORELANE_CACHE/kernels/$1/lib/modules/$1 to=$2/lib/modules/$1 pattern

	mkdir -p "$to"
	pattern=$(printf '%s\n' "${IMAGE_MODULES[@]}" | sed 's/\./\\./g; s/^/^/' | paste -sd '|')
	awk -F '[: ]+' -v want="$pattern" '
		{ deps[$1] = $0 }
		$1 ~ want { picked[$1] }
		END {
			for (m in picked) {
				n = split(deps[m], d, /[: ]+/)
				for (i = 1; i <= n; i++)
					if (d[i] != "") need[d[i]]
			}
			for (m in need) print m
		}' "$from/modules.dep" | (cd "$from" && xargs cp --parents -t "$to")
	(cd "$to" && rm -rf "${IMAGE_MODULES_PRUNE[@]}")
	cp "$from"/modules.{builtin,builtin.modinfo,order} "$to/"
	depmod -b "$root" "$release"
}

# What Debian's maintainer scripts would have set up.
image_config() # ROOT
{
	local root=$1 tool

	mkdir -p "$root"/{proc,sys,dev,run,tmp,root,etc,results,mnt,var/tmp,var/log,var/cache/lighttpd}
	cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
	cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
	echo '127.0.0.1 localhost lab' > "$root/etc/hosts"
	echo lab > "$root/etc/hostname"
	printf 'hosts: files\npasswd: files\ngroup: files\n' > "$root/etc/nsswitch.conf"
	for tool in iptables ip6tables; do
		ln -sf xtables-nft-multi "$root/usr/sbin/$tool"
	done
	ln -sf mawk "$root/usr/bin/awk"
	[[ -e $root/usr/bin/sh ]] || ln -s bash "$root/usr/bin/sh"
	while read -r tool; do
		[[ -e $root/usr/bin/$tool || -e $root/usr/sbin/$tool ]] || ln -s busybox "$root/usr/bin/$tool"
	done < <("$root/usr/bin/busybox" --list)
	ln -sf ../corelane/lab/init "$root/sbin/init"
	ln -sf corelane/lab/init "$root/init"
}

# image_make_base RELEASE: make the base archive unless it is there
image_make_base()
{
	local release=$1 out tmp guest=$CORELANE_CACHE/guest/current path lock

	[[ -f $guest/.complete ]] || die "no userland for guests in $CORELANE_CACHE" "run scripts/setup.sh"
	out=$(image_base "$release")
	[[ ! -f $out ]] || return 0
	[[ -w $CORELANE_CACHE ]] || die "cannot write $CORELANE_CACHE" "run with sudo, this once"
	mkdir -p "${out%/*}"
	# Two runs may want it at once; the second finds it made.
	exec {lock}> "${out%/*}/lock"
	flock "$lock"
	if [[ -f $out ]]; then
		exec {lock}>&-
		return 0
	fi
	say "packing the guest's file system for $release"
	# None of these is in use: what a killed run left, which had the lock.
	rm -rf "$CORELANE_CACHE"/images/tmp.*
	tmp=$(mktemp -d "$CORELANE_CACHE/images/tmp.XXXXXX")
	scratch+=("$tmp")
	cp -a "$guest/root" "$tmp/root"
	for path in "${IMAGE_PRUNE[@]}"; do
		# shellcheck disable=SC2086  # patterns are meant to expand
		rm -rf "$tmp/root/"$path
	done
	image_modules "$release" "$tmp/root"
	image_config "$tmp/root"
	image_cpio "$tmp/root" "$tmp/base"
	rm -rf "$CORELANE_CACHE/images/$release"-*
	mkdir -p "${out%.cpio}.modules/lib/modules"
	mv "$tmp/root/lib/modules/$release" "${out%.cpio}.modules/lib/modules/"
	mv "$tmp/base" "$out"
	rm -rf "$tmp"
	exec {lock}>&-
}

# image_make RELEASE WORK: write WORK/initrd; the job is in WORK/overlay
image_make()
{
	local release=$1 work=$2 overlay=$2/overlay built=$CORELANE_TOP/build dir

	image_make_base "$release"
	mkdir -p "$overlay/corelane"/{bin,lab,tests}
	for dir in bonding kselftest percore pollnvme simlane system lib.sh; do
		[[ ! -e $CORELANE_TOP/tests/$dir ]] || cp -r "$CORELANE_TOP/tests/$dir" "$overlay/corelane/tests/"
	done
	cp "$CORELANE_TOP"/tools/lab/guest/* "$overlay/corelane/lab/"
	cp -r "$CORELANE_TOP/tools/udev" "$overlay/corelane/"
	cp "$CORELANE_CACHE/src/linux-source-6.12/tools/testing/selftests/kselftest/ktap_helpers.sh" \
		"$overlay/corelane/tests/"
	[[ ! -x $built/corelane ]] || cp "$built/corelane" "$overlay/corelane/bin/"
	[[ ! -d $built/tests ]] || find "$built/tests" -type f -perm -u+x -exec cp {} "$overlay/corelane/bin/" \;
	if compgen -G "$built/$release/*.ko" > /dev/null; then
		# A copy, for depmod to index ours among the others.
		cp -a "$(image_base "$release" | sed 's/cpio$/modules/')" "$work/modules"
		mkdir -p "$work/modules/lib/modules/$release/updates"
		cp "$built/$release"/*.ko "$work/modules/lib/modules/$release/updates/"
		# The guest has no use for their debugging half, 15 MB.
		strip --strip-debug "$work/modules/lib/modules/$release/updates"/*.ko
		depmod -b "$work/modules" "$release"
		mkdir -p "$overlay/usr/lib/modules/$release"
		mv "$work/modules/lib/modules/$release"/{updates,modules.*} "$overlay/usr/lib/modules/$release/"
		rm -rf "$work/modules"
	fi
	# Times of files are in the archive, and the kernel reads them: two runs
	# would differ.
	find "$overlay" -exec touch -h -d @0 {} +
	image_cpio "$overlay" "$work/overlay.cpio"
	cat "$(image_base "$release")" "$work/overlay.cpio" > "$work/initrd"
}
