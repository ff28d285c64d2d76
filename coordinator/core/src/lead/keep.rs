//! What is beside the log: the views that the leader writes, and the snapshot that everybody begins with.

use super::coordination::{Coordination, Role};
use super::order::{Desk, Order, Place};
use super::view::Views;
use crate::log::World;

impl Coordination {
    /// What the buckets say of the log, and what is still to be written there.
    pub const fn views(&self) -> &Views {
        &self.views
    }

    /// We begin to lead: the log is known, and what the views hold is not.
    pub(super) fn survey(&mut self, desk: &mut Desk<'_>) {
        self.views.survey();
        desk.orders.push(Order::Survey);
    }

    /// A snapshot of the log was read.
    pub fn restored(&mut self, desk: &mut Desk<'_>, world: World) {
        if world.last() <= self.world.last() {
            return;
        }
        match self.role {
            Role::Standby => {}
            // Our first line, if it is stored, is not told any more.
            Role::Taking { .. } => {
                self.appending = None;
                self.first_line = None;
            }
            Role::Leading { .. } => return self.reread(desk),
        }
        self.missing = None;
        self.world = world;
    }

    /// Lines of the log are gone, and no snapshot that can be read tells of them. What was decided in them is still in the
    /// views, in snapshots of another release or in the memory of another coordinator: whoever led now would decide
    /// without it, and overwrite all that.
    pub fn incomplete(&mut self, (first, last): (u64, u64)) {
        // A leader knows what it wrote; if somebody else wrote them, its next line is refused, and it reads anew.
        if last <= self.world.last() || self.leads() {
            return;
        }
        self.role = Role::Standby;
        self.appending = None;
        self.first_line = None;
        self.caught_up = false;
        self.missing = Some((first, last));
    }

    /// The lines of the log that nobody can tell of, the first and the last.
    pub const fn missing(&self) -> Option<(u64, u64)> {
        self.missing
    }

    /// Some of what the views hold was read.
    pub fn surveyed(&mut self, desk: &mut Desk<'_>, found: Vec<(Place, u64)>, ended: bool) {
        if self.leads() {
            self.views.surveyed((&self.world, &self.hive), found, ended);
            self.project(desk);
        }
    }

    /// Records were written into the views, but for these.
    pub fn projected(&mut self, desk: &mut Desk<'_>, failed: Vec<Place>) {
        if self.leads() {
            self.views.projected(&self.world, failed, desk.now.boot_ms);
        }
    }

    /// Writes what is due.
    pub(super) fn project(&mut self, desk: &mut Desk<'_>) {
        let rows = self.views.due(&self.world, self.stored, desk.now.boot_ms);
        if !rows.is_empty() {
            desk.orders.push(Order::Project(rows));
        }
    }
}
