//! Rules that are broken on purpose, to show that the checker sees it.

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Each command is decided once, in order, as the one that it is.
    Decisions,
    /// A command is refused if and only if the table says so.
    Judgement,
    /// Events of an entity are numbered, and go on from where it is.
    Chain,
    /// No event is stamped before the one in front of it.
    Stamps,
    /// Only moves of the table.
    Table,
    /// Completed once, by the holder of that epoch.
    Completion,
    /// Nothing is stored by anybody but who wrote the latest `leader` line.
    Fencing,
    /// Agents and the hive: only moves of their tables, numbered, by the numbers that there are.
    Machines,
    /// Nothing is given to who is paused, and nothing while all are stopped.
    HeldBack,
    /// Each assignment has the next number.
    Epochs,
    /// Who refused a task is not chosen for it again.
    Refusers,
    /// Not more attempts than there may be.
    Attempts,
    /// Nothing is taken from who was never told of it.
    Told,
    /// Every command with an id gets one verdict.
    Verdicts,
    /// Nothing is published that does not follow from the log.
    Unfounded,
    /// A record that is published again is the same.
    Bodies,
    /// Everything that follows is published in the end.
    Published,
    /// In the end every record that cannot be read is a dead letter.
    DeadLetters,
    /// All folds of the log are equal, those that began with a snapshot included.
    Folds,
    /// What others look up is what the log said, and in the end all of it.
    Views,
    /// A step leaves nothing that is due: the shell would spin.
    Wakes,
    /// In the end one leads.
    Leader,
    /// An alert is told once for each episode, and ends when its cause is gone; in the end everybody heard of it.
    Alerts,
    /// In the end every task is at its end, or waits for good reason.
    Tasks,
}

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// A command is not shown to the leader.
    SkipsCommand,
    /// A command is decided twice.
    DecidesTwice,
    /// A refused command is done, and one that is done is refused.
    MisjudgesHolder,
    /// A number is left out.
    LeavesOutNumber,
    /// A stamp goes back.
    TurnsClockBack,
    /// A task leaves its end.
    Revives,
    /// Somebody else's command counts as the holder's.
    ForgesHolder,
    /// The server lets stale appends through.
    LetsStaleIn,
    /// An agent comes into a state that its table does not lead to.
    MovesAgent,
    /// A task goes to who is paused.
    AsksPaused,
    /// An assignment keeps the number of the former one.
    KeepsEpoch,
    /// A task goes to who refused it.
    AsksRefuser,
    /// Attempts are not counted to their end.
    TriesForEver,
    /// An event says nothing of the verdict.
    ForgetsVerdict,
    /// What follows is published before the append.
    PublishesFirst,
    /// A record is not the same when it is published again.
    RewritesLetter,
    /// Published records are lost.
    LosesLetters,
    /// What tells of an assignment counts as stored, and is not.
    TellsNobodyOfWork,
    /// What a former leader owed is not read again.
    ForgetsOwed,
    /// Standbys do not read a line.
    SkipsLine,
    /// A snapshot holds nothing.
    EmptiesSnapshot,
    /// What is written for others to look up is not what the log says.
    SpoilsView,
    /// The leader is not woken.
    NeverWakes,
    /// The lease cannot be written.
    RefusesLease,
    /// Agents take tasks on and never finish them.
    NobodyWorks,
    /// An alert that is open is told as a new one.
    TellsTwice,
    /// Changes of alerts reach nobody.
    TellsNobody,
}

impl Sabotage {
    /// Each with the rule that sees it.
    pub(crate) const ALL: [(Self, Rule); 27] = [
        (Self::SkipsCommand, Rule::Decisions),
        (Self::DecidesTwice, Rule::Decisions),
        (Self::MisjudgesHolder, Rule::Judgement),
        (Self::LeavesOutNumber, Rule::Chain),
        (Self::TurnsClockBack, Rule::Stamps),
        (Self::Revives, Rule::Table),
        (Self::ForgesHolder, Rule::Completion),
        (Self::LetsStaleIn, Rule::Fencing),
        (Self::MovesAgent, Rule::Machines),
        (Self::AsksPaused, Rule::HeldBack),
        (Self::KeepsEpoch, Rule::Epochs),
        (Self::AsksRefuser, Rule::Refusers),
        (Self::TriesForEver, Rule::Attempts),
        (Self::ForgetsVerdict, Rule::Verdicts),
        (Self::PublishesFirst, Rule::Unfounded),
        (Self::RewritesLetter, Rule::Bodies),
        (Self::LosesLetters, Rule::Published),
        (Self::TellsNobodyOfWork, Rule::Told),
        (Self::ForgetsOwed, Rule::DeadLetters),
        (Self::SkipsLine, Rule::Folds),
        (Self::EmptiesSnapshot, Rule::Folds),
        (Self::SpoilsView, Rule::Views),
        (Self::NeverWakes, Rule::Wakes),
        (Self::RefusesLease, Rule::Leader),
        (Self::NobodyWorks, Rule::Tasks),
        (Self::TellsTwice, Rule::Alerts),
        (Self::TellsNobody, Rule::Alerts),
    ];
}
