"""A Debian tree as a disk image with a kernel of its own, made without mounting any disk."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec

from hil import images

# Beyond a tree's own packages: Debian's kernel. Its variant for clouds has no `vivid`.
PACKAGES = (*images.PACKAGES, "kmod", "linux-image-amd64")
SIZE = "8G"
AGENT = Path(__file__).with_name("console_agent.py")
UNIT = """\
[Unit]
Description=The bench's console
DefaultDependencies=no
After=systemd-udevd.service systemd-tmpfiles-setup-dev.service
[Service]
ExecStart=/usr/bin/python3 -I /usr/local/lib/hil/console_agent.py
Restart=always
RestartSec=0.2
StandardOutput=journal+console
[Install]
WantedBy=sysinit.target
"""
# What is mounted over the tree, changed and packed; the tree itself stays as it is.
MAKE = """\
mkdir "$1/top" && mount -t tmpfs top "$1/top" && cd "$1/top" && mkdir upper work root
mount -t overlay -o "lowerdir=$2,upperdir=upper,workdir=work" overlay root
cp -R "$1/files/." root
chroot root sh -ec '
    systemctl --quiet enable systemd-networkd hil-console
    systemctl --quiet mask getty@tty1.service systemd-firstboot.service apt-daily.timer \
        apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
    update-initramfs -u -k all'
cp root/boot/vmlinuz-* "$1/kernel"
cp root/boot/initrd.img-* "$1/initrd"
mke2fs -q -t ext4 -L root -d root "$1/disk.raw" "$3"
cd / && umount "$1/top/root" "$1/top" && rmdir "$1/top"
rm -r "$1/files"
"""


class Image(msgspec.Struct, frozen=True):
    """What QEMU starts a board with."""

    kernel: Path
    initrd: Path
    disk: Path


def image(tree: Path, networkd_file: str) -> Image:
    """Return the image of a tree; made where there is none."""
    files = {
        "usr/local/lib/hil/console_agent.py": AGENT.read_text(),
        "etc/systemd/system/hil-console.service": UNIT,
        "etc/systemd/network/10-hil.network": networkd_file,
        "etc/hostname": "board\n",
        "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 board\n",
        "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
        # What this one machine's disk needs, and no more: TCG unpacks it slowly.
        "etc/initramfs-tools/conf.d/hil": "MODULES=list\n",
        "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n",
    }
    version = hashlib.sha256(msgspec.json.encode([files, MAKE, SIZE])).hexdigest()[:12]
    folder = images.cache_dir() / "images" / f"{tree.name}-{version}"
    if not folder.exists():
        images.say(f"making a disk image in {folder}")
        make(tree, files, folder)
    return Image(folder / "kernel", folder / "initrd", folder / "disk.raw")


def make(tree: Path, files: dict[str, str], folder: Path) -> None:
    """Pack a tree with some files of ours; whole, or not at all."""
    half = folder.with_name(f"{folder.name}.half-made")
    shutil.rmtree(half, ignore_errors=True)
    for name, text in files.items():
        file = half / "files" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    images.run(
        ["unshare", "--mount", "sh", "-ec", MAKE, "sh", half, tree, SIZE],
        failure="the disk image failed",
    )
    half.rename(folder)
