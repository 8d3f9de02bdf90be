//! For which machines there is an image, and what it takes to build and try it on this one.

use crate::command;

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    pub(super) fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }

    /// The target of the machine that builds, if it is of this architecture.
    pub(super) fn same_with_glibc(self) -> Option<&'static str> {
        match self {
            Self::Amd64 if cfg!(target_arch = "x86_64") => Some("x86_64-unknown-linux-gnu"),
            Self::Arm64 if cfg!(target_arch = "aarch64") => Some("aarch64-unknown-linux-gnu"),
            Self::Amd64 | Self::Arm64 => None,
        }
    }

    /// The compiler of the little C and assembler in `ring`. It needs no libc, so that for another libc will do.
    pub(super) fn c_compiler(self) -> &'static str {
        match self {
            Self::Amd64 if cfg!(target_arch = "x86_64") => "cc",
            Self::Arm64 if cfg!(target_arch = "aarch64") => "cc",
            Self::Amd64 => "x86_64-linux-gnu-gcc",
            Self::Arm64 => "aarch64-linux-gnu-gcc",
        }
    }

    /// As images call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// What runs its programs on a machine of another architecture.
    pub(super) fn emulator(self) -> Option<&'static str> {
        match self {
            Self::Amd64 if cfg!(target_arch = "x86_64") => None,
            Self::Arm64 if cfg!(target_arch = "aarch64") => None,
            Self::Amd64 => Some("qemu-x86_64-static"),
            Self::Arm64 => Some("qemu-aarch64-static"),
        }
    }

    /// Why it cannot be built and tried here, if so.
    pub(super) fn missing_here(self) -> Option<String> {
        let needed = [Some(self.c_compiler()), self.emulator()];
        let missing = needed.into_iter().flatten().find(|tool| command::find(tool).is_none())?;
        Some(format!("there is no {missing}; see docs/image.md"))
    }
}
