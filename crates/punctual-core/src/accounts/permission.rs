//! What an account may do.

use std::fmt;
use std::str::FromStr;

/// Something that a group, or the scope of a token, allows.
///
/// Each holds those before it: whoever changes definitions can make anything run, and whoever operates has to see what
/// there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Read everything about jobs, triggers, runs and nodes.
    Monitoring,
    /// Pause, resume, run now, cancel, run again, emit events.
    Operate,
    /// Create, change and delete definitions.
    Edit,
    /// Everything, accounts, settings and the audit log included.
    Superuser,
}

impl Permission {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Monitoring, Self::Operate, Self::Edit, Self::Superuser];

    /// Its name, as it is stored and goes over the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Monitoring => "monitoring",
            Self::Operate => "operate",
            Self::Edit => "edit",
            Self::Superuser => "superuser",
        }
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The path form is what application permissions are called elsewhere.
        let name = text.strip_prefix("/application/").and_then(|rest| rest.strip_suffix('/')).unwrap_or(text);
        Self::ALL
            .into_iter()
            .find(|permission| permission.name() == name)
            .ok_or_else(|| format!("{text:?} is no permission: give monitoring, operate, edit or superuser"))
    }
}

/// A set of permissions, closed under what they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u8);

impl Permissions {
    /// None.
    pub const NONE: Self = Self(0);

    /// What a superuser may do.
    pub fn superuser() -> Self {
        Self::from(Permission::Superuser)
    }

    /// Whether it holds the permission.
    pub fn allows(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// What either allows.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both allow.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it is within the other.
    pub fn is_within(self, other: Self) -> bool {
        self.intersection(other) == self
    }

    /// As bits: 1, 2, 4 and 8 for each of [`Permission::ALL`]. Since sets are nested, the largest of several numbers is
    /// their union.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set of these bits; bits without a meaning count for nothing.
    pub fn from_bits(bits: i64) -> Self {
        Permission::ALL.into_iter().filter(|permission| bits & i64::from(permission.bit()) != 0).collect()
    }

    /// Those that it holds, in order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.allows(*permission))
    }
}

impl From<Permission> for Permissions {
    fn from(permission: Permission) -> Self {
        Self(
            Permission::ALL
                .into_iter()
                .filter(|held| *held <= permission)
                .fold(0, |bits, held| bits | held.bit()),
        )
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().map(Self::from).fold(Self::NONE, Self::union)
    }
}

#[cfg(test)]
mod tests {
    use super::{Permission, Permissions};

    #[test]
    fn each_permission_holds_those_before_it() {
        for (at, permission) in Permission::ALL.into_iter().enumerate() {
            let held: Vec<_> = Permissions::from(permission).iter().collect();
            assert_eq!(held, Permission::ALL[..=at]);
        }
    }

    #[test]
    fn sets_join_and_meet() {
        let edit = Permissions::from(Permission::Edit);
        let monitoring = Permissions::from(Permission::Monitoring);
        assert_eq!(edit.union(monitoring), edit);
        assert_eq!(edit.intersection(monitoring), monitoring);
        assert!(monitoring.is_within(edit) && !edit.is_within(monitoring));
        assert!(Permissions::NONE.is_within(monitoring) && !Permissions::NONE.allows(Permission::Monitoring));
    }

    #[test]
    fn names_are_read_back_in_both_forms() {
        for permission in Permission::ALL {
            assert_eq!(permission.name().parse(), Ok(permission));
            assert_eq!(format!("/application/{permission}/").parse(), Ok(permission));
        }
        assert!("Monitoring".parse::<Permission>().unwrap_err().contains("monitoring, operate"));
    }
}
