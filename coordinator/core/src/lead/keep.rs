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
        self.stored = self.world.last();
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
        self.world = world;
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
