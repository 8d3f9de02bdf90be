//! The closed list of reasons: every word by which a status, an event or a plan says why. docs/reasons.md is made of it.

/// One reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The word. It is part of the API: alerts and dashboards read it.
    pub word: &'static str,
    /// Where it appears.
    pub places: &'static [Place],
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// Where a reason appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Condition `Ready`.
    Ready,
    /// Condition `Reconciling`.
    Reconciling,
    /// Condition `Stalled`.
    Stalled,
    /// Condition `RestartsAllowed`.
    RestartsAllowed,
    /// A workload in the lists of a status and in a plan.
    Workload,
    /// Stale pods that are left alone, in a status and in a plan.
    LeftAlone,
    /// Why a plan starts no more restarts.
    Hold,
    /// An event on a workload.
    Event,
}

impl Place {
    /// The words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "condition Ready",
            Self::Reconciling => "condition Reconciling",
            Self::Stalled => "condition Stalled",
            Self::RestartsAllowed => "condition RestartsAllowed",
            Self::Workload => "workload",
            Self::LeftAlone => "pods that are left alone",
            Self::Hold => "hold of a plan",
            Self::Event => "event",
        }
    }
}

const fn reason(word: &'static str, places: &'static [Place], meaning: &'static str, remedy: &'static str) -> Reason {
    Reason { word, places, meaning, remedy }
}

use Place::{Event, Hold, LeftAlone, Ready, Reconciling, RestartsAllowed, Stalled, Workload};

const NOTHING: &str = "Nothing.";

/// Every reason, by word.
pub const REASONS: &[Reason] = &[
    reason(
        "AdmissionUnknown",
        &[Workload],
        "`spec.DriftDetection` is `Injection`, and nobody can tell what a new pod would get: a webhook cannot be asked, or a right is missing.",
        "Read the message. Nothing is restarted meanwhile, and it is asked again by itself.",
    ),
    reason("AllFresh", &[Ready], "Every workload in scope runs the wanted images.", NOTHING),
    reason(
        "CampaignUnderWay",
        &[Ready],
        "Workloads are being restarted, or are still to be.",
        "Wait. `flippy status --watch` shows how it goes, `RestartsAllowed` why it does not.",
    ),
    reason(
        "AskingAdmission",
        &[Ready, Reconciling, Workload],
        "`spec.DriftDetection` is `Injection`, and admission is being asked what a new pod would get.",
        "Wait: a few are asked each second.",
    ),
    reason(
        "AwaitingApproval",
        &[Ready, RestartsAllowed, Hold, Event],
        "The turn of a wave has come whose `Approval` is `Manual`.",
        "`flippy approve CONFIG WAVE`, once whoever has to decide has looked.",
    ),
    reason(
        "BarePod",
        &[LeftAlone],
        "A stale pod that nobody owns. It is never taken away, because nobody would create it again.",
        "If it does not end by itself, delete it and create it anew when that suits.",
    ),
    reason(
        "Conflict",
        &[Workload],
        "Another FlippyConfig wants an image in the same container that this one does not accept.",
        "Make the two agree, or let only one of them have the workload in scope.",
    ),
    reason(
        "ControllerSilent",
        &[Stalled],
        "The controller of a workload has not even looked at its restart. More of its kind would pile up behind it, so none starts; other kinds go on.",
        "Look at the controller (kube-controller-manager, Argo Rollouts). Restarts of that kind go on once it acts.",
    ),
    reason(
        "DisruptionBudget",
        &[Workload],
        "A PodDisruptionBudget that covers it allows no disruption now, or holds another workload whose rollout is not complete.",
        "Read the message. It goes on by itself once the budget allows one; a budget that never can says so.",
    ),
    reason(
        "DryRun",
        &[Ready, RestartsAllowed, Hold],
        "`spec.DryRun` is true: what would be done is reported, and nothing is restarted.",
        "Set `spec.DryRun` to false to let restarts start.",
    ),
    reason(
        "EarlierWave",
        &[Ready, RestartsAllowed, Hold],
        "It is in a wave that comes after one that is not done.",
        "Wait. If that lasts, look at the workload of the earlier wave that the message names.",
    ),
    reason(
        "FirstBlocked",
        &[Ready, Stalled],
        "What goes before all others (`PreProcessRestart`, `PostFilterRestarts`) must not be restarted now, for the sake of others, or because admission speaks against it.",
        "Read the message: a disruption budget, a group or what admission says of a new pod is in the way.",
    ),
    reason(
        "FirstRefused",
        &[Stalled],
        "What goes before all others (`PreProcessRestart`, `PostFilterRestarts`) cannot be restarted: the API server refuses it.",
        "Read the message: a webhook, a quota or a missing right is in the way.",
    ),
    reason(
        "GatePending",
        &[RestartsAllowed],
        "A gate of `spec.Gates` has not been open for as long as its `For` asks.",
        "Wait.",
    ),
    reason(
        "GateShut",
        &[RestartsAllowed, Hold],
        "A gate of `spec.Gates` is shut, or could not be asked.",
        "Read the message: it says what Prometheus answered, or why it did not. Restarts go on by themselves once it is open.",
    ),
    reason(
        "Group",
        &[Workload],
        "Another workload of its group (`flippy.keikoproj.io/group`, or the StatefulSets of one application) is being rolled out.",
        "Wait; if that lasts, look at the pods of the one that the message names.",
    ),
    reason(
        "Halted",
        &[Ready, Stalled, RestartsAllowed, Hold],
        "More restarts have failed than `spec.Strategy.MaxFailures` tolerates.",
        "Look at the failed workloads, then `flippy resume`. It also goes on once enough of them recover.",
    ),
    reason("Idle", &[Reconciling], "Nothing is under way.", NOTHING),
    reason(
        "ImageSourceUnavailable",
        &[Ready, Stalled, RestartsAllowed, Hold],
        "A source of `spec.ImageSources` is missing, broken or may not be read. It never counts as an empty list.",
        "Read the message: it names the ConfigMap and what is wrong. Restarts go on by themselves once it is back.",
    ),
    reason(
        "InPlaceUpdate",
        &[Workload],
        "It is of a custom kind whose update strategy changes running pods in place (`InPlaceIfPossible`, `InPlaceOnly`): \
         a changed annotation of its template would be written onto them, and each would keep its sidecar.",
        "Let its update strategy recreate pods (`ReCreate`), or set `spec.Strategy.Method` to `Evict`.",
    ),
    reason("InFlight", &[Workload], "A restart by Flippy is under way.", "Wait."),
    reason(
        "InvalidSpec",
        &[Ready, Stalled, RestartsAllowed],
        "The spec cannot be followed; the message says where it is wrong.",
        "Correct the field that the message names. Other configs are not disturbed.",
    ),
    reason(
        "JobPod",
        &[LeftAlone],
        "Stale pods of a Job, or of a CronJob's Job. They are never taken away, because their work would be lost.",
        "Wait: they end when their work is done, and later ones get a new sidecar.",
    ),
    reason(
        "MaxConcurrent",
        &[Hold],
        "As many restarts as `spec.Strategy.MaxConcurrent` allows are under way.",
        "Wait, or raise it.",
    ),
    reason(
        "MaxConcurrentPerNamespace",
        &[Hold],
        "What is left is in namespaces where as many as `spec.Strategy.MaxConcurrentPerNamespace` allows are under way.",
        "Wait, or raise it.",
    ),
    reason(
        "MidRollout",
        &[Workload],
        "An Argo Rollout is in the middle of bringing out a revision.",
        "Promote or abort it.",
    ),
    reason(
        "MinInterval",
        &[Hold],
        "The last restart was less than `spec.Strategy.MinInterval` ago.",
        "Wait, or lower it.",
    ),
    reason(
        "MissingSidecar",
        &[Workload],
        "A pod of it lacks a container that a new one would have, and `spec.MissingSidecar` is `Restart`.",
        "Wait: it is to be restarted.",
    ),
    reason(
        "NoProgress",
        &[Workload],
        "A rollout of it that Flippy did not start has made no progress for ten minutes: no further pod was updated or became ready. A restart by Argo Rollouts has ten minutes for each pod. Later waves, and others that share a disruption budget or a group with it, wait for it no more.",
        "Look at its pods: a StatefulSet waits for ever behind one that never becomes ready. It is judged anew as soon as anything moves.",
    ),
    reason(
        "NotCompleteInTime",
        &[Workload],
        "A restart was not completely rolled out within `MaxRetry` x `RetryDuration` seconds.",
        "Look at the workload's pods. It counts as done once they are ready; `flippy retry` restarts it again.",
    ),
    reason(
        "NotFound",
        &[Workload],
        "A workload that is to be restarted first does not exist.",
        "Correct its name in `PreProcessRestart` or `PostFilterRestarts`.",
    ),
    reason(
        "NoRollout",
        &[Workload],
        "It is a ReplicaSet or ReplicationController, whose changed template replaces no pod, and `spec.Strategy.Method` is \
         `Patch`.",
        "Set `spec.Strategy.Method` to `Auto`, or delete its pods one by one.",
    ),
    reason(
        "NotInjected",
        &[Workload],
        "A new pod would have none of the containers of `ProcessFilter.Containers`: the injector is down, or does not want it any more.",
        "Look at the injector. If that is meant to be, set `spec.MissingSidecar` to `Restart`, or restart the workload by hand.",
    ),
    reason(
        "NoTemplate",
        &[Workload],
        "It is of a custom kind that has no `spec.template`, so there is nothing whose change makes its controller replace \
         pods.",
        "Restart it by its own means, and take its kind out of `spec.RestartObjects`.",
    ),
    reason("NotStalled", &[Stalled], "Nothing needs a person.", NOTHING),
    reason(
        "NotWatched",
        &[Ready, Stalled, RestartsAllowed],
        "Objects that the config needs cannot be watched; the message says which and why.",
        "Give the operator the right that is missing (`deploy/clusterrole.yaml`), or look at the API server.",
    ),
    reason(
        "NotificationFailed",
        &[Event],
        "A receiver of `spec.Notifications` could not be told something; nothing else is disturbed.",
        "Read the message, and correct the address, the Secret or the right to read it. What was not told stands in \
         `status.notified`, and is not told later.",
    ),
    reason(
        "OnDelete",
        &[Workload],
        "Its update strategy is `OnDelete`, so a changed template replaces no pod, and `spec.Strategy.Method` is `Patch`, or \
         its kind a custom one.",
        "Set `spec.Strategy.Method` to `Auto`, for a custom kind to `Evict`, delete its pods one by one, or change the strategy.",
    ),
    reason("Open", &[RestartsAllowed], "Restarts may start.", NOTHING),
    reason(
        "OutsideWindow",
        &[RestartsAllowed, Hold],
        "It is outside the windows of `spec.Windows`.",
        "Wait until the time that the message names, or change the windows.",
    ),
    reason(
        "Partition",
        &[Workload],
        "Its update strategy has a partition, so pods below that ordinal would not be replaced, and `spec.Strategy.Method` is \
         `Patch`, or its kind a custom one.",
        "Set `spec.Strategy.Method` to `Auto`, for a custom kind to `Evict`, or `spec.updateStrategy.rollingUpdate.partition` of the workload to 0.",
    ),
    reason("Paused", &[Workload], "It is paused: a changed template would wait.", "Resume the workload."),
    reason(
        "PreconditionsNotMet",
        &[Ready, Stalled, RestartsAllowed, Hold],
        "A workload that must be completely rolled out before and during the campaign is not.",
        "Look at the workload that the message names. Restarts start by themselves once it is.",
    ),
    reason(
        "PendingPods",
        &[RestartsAllowed, Hold],
        "Pods of restarted workloads have found no node for more than a minute.",
        "Make room: more restarts would only add to them.",
    ),
    reason(
        "PodsRefused",
        &[Workload],
        "Admission would refuse a new pod of it, so none is taken away.",
        "Read the message: a quota, pod security, a missing service account or a broken webhook is in the way.",
    ),
    reason(
        "Refused",
        &[Workload],
        "The API server did not carry out its restart.",
        "Read the message: a webhook, a quota or a missing right is in the way. It is tried again by itself.",
    ),
    reason(
        "RestartedRecently",
        &[Workload],
        "Admission would give it another image by now, but Flippy restarted it less than half an hour ago.",
        "Wait. If that happens again and again, the replicas of the injector disagree.",
    ),
    reason("RestartedFirst", &[Workload], "It is being restarted before the workloads in scope.", "Wait."),
    reason("Restarted", &[Event], "Flippy has restarted the workload.", NOTHING),
    reason("Restarting", &[Reconciling], "Restarts are under way, or are still to be.", "Wait."),
    reason(
        "RestartsFailed",
        &[Ready, Stalled],
        "Everything else is done, and some restarts were not completely rolled out in time.",
        "Look at the pods of the workloads in `status.failed`.",
    ),
    reason(
        "RestartsFutile",
        &[Ready, Stalled, RestartsAllowed, Hold],
        "Restarted pods come up with the same stale image: the injector still hands it out.",
        "Upgrade the mesh, or correct `spec.ImageList`. It goes on by itself once a new pod runs a wanted image.",
    ),
    reason(
        "RevertedByOwner",
        &[Workload],
        "Its restart was taken back, for example by a GitOps tool.",
        "Let that tool ignore the annotations `flippy.keikoproj.io/*` of the pod template, set `spec.Strategy.Method` to `Evict`, \
         which touches no template, or restart it there.",
    ),
    reason(
        "SameImageAgain",
        &[Workload],
        "A restart brought the same stale image again.",
        "Upgrade the mesh first, or unpin this workload's sidecar image. It is tried again by itself, less and less often, and \
         at once with `flippy retry`.",
    ),
    reason(
        "SameImageForeseen",
        &[Workload],
        "It is stale, and a new pod would be so too, says admission: it is not restarted.",
        "Upgrade the mesh first, or unpin this workload's sidecar image. It goes on by itself once admission says so.",
    ),
    reason(
        "SelectsNothing",
        &[Ready],
        "The spec names no images, no kinds or no containers, so it selects nothing.",
        "Fill in the field that the message names.",
    ),
    reason(
        "SingleReplica",
        &[Workload],
        "Its only replica would be away while it is restarted, and `spec.Strategy.SingleReplica` is `Hold`.",
        "Restart it by hand, or set `spec.Strategy.SingleReplica` to `Restart`.",
    ),
    reason("StaleImage", &[Workload], "A pod of it runs an image that is not wanted.", "Wait: it is to be restarted."),
    reason(
        "StaticPod",
        &[LeftAlone],
        "A stale pod that the kubelet runs from a file on its node.",
        "Change that file.",
    ),
    reason(
        "SuperfluousSidecar",
        &[Workload],
        "A pod of it has a container that a new one would not have, and `spec.MissingSidecar` is `Restart`.",
        "Wait: it is to be restarted.",
    ),
    reason(
        "Suspended",
        &[Ready, RestartsAllowed, Hold],
        "`spec.Suspend` is true: no restart starts.",
        "`flippy resume`, or set `spec.Suspend` to false.",
    ),
    reason(
        "Throttled",
        &[RestartsAllowed, Hold],
        "The API server refuses requests for want of capacity, so fewer restarts start at once.",
        "Wait: it goes faster by itself. If it lasts, look at the API server.",
    ),
    reason(
        "Turn",
        &[Hold],
        "What is left takes turns with something that is being restarted: a disruption budget or a group holds both.",
        "Wait until it is completely rolled out.",
    ),
    reason(
        "UnhealthyBefore",
        &[Workload],
        "It was unhealthy before its restart and still is. It does not count as a failure.",
        "Look at the workload's pods.",
    ),
    reason(
        "UnknownOwner",
        &[LeftAlone],
        "Stale pods whose owner is of a kind that Flippy does not know, such as a `CloneSet`, and that the config does not name \
         with its API version.",
        "Add the kind to `spec.RestartObjects` with its `ApiVersion`, as the message says, or restart it by its own means.",
    ),
    reason(
        "Unproven",
        &[Hold],
        "No new pod was seen with a wanted image yet: a few restarts go first, to find out whether more are of use.",
        "Wait until they are done.",
    ),
    reason(
        "Waiting",
        &[Hold],
        "An earlier restart is waited for (`StatusCheckConfig.CheckStatus`).",
        "Wait until it is completely rolled out.",
    ),
    reason("WaveCompleted", &[Event], "Nothing in a wave is left to restart or under way.", NOTHING),
    reason(
        "WaveSoaks",
        &[Ready, RestartsAllowed, Hold],
        "A wave is complete, and the next one starts only after its `Soak`, also when what was restarted is gone by then.",
        "Wait until the time that the message names, or shorten `Soak`.",
    ),
    reason("WaveStarted", &[Event], "The first restart of a wave was made.", NOTHING),
    reason(
        "WindowEnds",
        &[RestartsAllowed, Hold],
        "The window ends before a restart would be expected to finish inside.",
        "Wait for the next window, or make the windows longer.",
    ),
    reason(
        "WindowsTooShort",
        &[Ready, Stalled, RestartsAllowed, Hold],
        "No window of `spec.Windows` is ever open for as long as a restart is expected to take: a minute while none of this campaign was seen, else half as much again as the slowest took, and `MinReadySeconds` besides. Nothing would ever start.",
        "Make a window longer, or lower `spec.Strategy.MinReadySeconds`.",
    ),
    reason(
        "WorkloadsBlocked",
        &[Ready, Stalled],
        "Everything else is done, and some workloads cannot be made fresh.",
        "Look at `status.blocked`: each has its own reason.",
    ),
];
