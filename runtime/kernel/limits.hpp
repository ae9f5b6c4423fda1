#pragma once
// Limits: every limit of a node in one place. At a limit the caller gets Overloaded (or the error named here), never a
// growing heap. Configurable ones are defaults of KernelOptions. How deep and large values may be: codec/limits.hpp.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace epic::kernel::limits {

using namespace std::chrono_literals;

inline constexpr std::size_t kKeyBytesMax = 1024;
inline constexpr std::size_t kTypeNameBytesMax = 256;
inline constexpr std::size_t kStateBytesMax = 8u << 20;       // StateTooLarge
inline constexpr std::size_t kArgumentsBytesMax = 16u << 20;  // also results
inline constexpr std::size_t kFrameBytesMax = 24u << 20;      // with its envelope
inline constexpr std::size_t kErrorTextBytesMax = 64u << 10;  // of an exception's text; the rest is cut off
inline constexpr std::size_t kEntityQueueMax = 65'536;        // calls that wait for one entity
inline constexpr std::uint64_t kCallsBytesMax = 1u << 30;     // frames and records of one node's calls in flight
inline constexpr std::size_t kPendingCallsMax = 1u << 20;     // unfinished calls of one client
inline constexpr std::size_t kChainLengthMax = 256;           // calls that wait for calls
inline constexpr std::uint32_t kDirectCallsMax = 256;  // local calls run in place before the run queue gets its turn
inline constexpr std::size_t kBegunPerTurn = 64;       // of the calls of one gather
inline constexpr std::chrono::nanoseconds kCallTimeout = 30s;          // of calls that set no deadline
inline constexpr std::chrono::nanoseconds kDeadlockSuspicion = 100ms;  // of waiting for a lock; then a probe is sent
inline constexpr std::chrono::nanoseconds kProbesGather = 5ms;         // received probes are followed together
inline constexpr std::size_t kProbesMax = 1'024;                       // waiting for it, or sent at once
inline constexpr std::size_t kLookSlice = 1'000;                       // calls that probes look at in one go
inline constexpr std::chrono::nanoseconds kLookPause = 2ms;            // … and the pause after it
inline constexpr std::size_t kFollowedMax = 8'192;                     // calls that one probe passes through
inline constexpr std::chrono::nanoseconds kTimeoutLead =
    100ms;                                              // a callee's node reports a timeout earlier than the caller's
inline constexpr std::size_t kEndedPerTick = 128;       // calls that end by their deadline, or with their node
inline constexpr std::size_t kBroadcastCallsMax = 256;  // in one message; so few that it holds up nothing else …
inline constexpr std::size_t kEndedCallsMax = 1'024;    // … and their ends
inline constexpr std::size_t kBroadcastAtOnce = 2'048;  // calls of one that are under way
inline constexpr std::size_t kBroadcastFailuresNamed = 100;
inline constexpr std::size_t kCopiesMax = 65'536;            // results that a node keeps for Ref::cached …
inline constexpr std::uint64_t kCopiesBytesMax = 64u << 20;  // … and their bytes; if there is a memory budget, …
inline constexpr std::uint64_t kCopiesShareOfBudget = 16;    // … at most this part of it
inline constexpr std::size_t kCopyKeyBytesMax = 64u << 10;   // calls with larger arguments are not answered by copies
inline constexpr std::size_t kCopiesDroppedPerTick = 64;     // of those that are too old
inline constexpr std::size_t kSharedPerRun = 1'024;          // calls that end because the one that they share has
inline constexpr std::size_t kRoutedPerTick = 256;           // parked calls that are sent or refused
inline constexpr std::size_t kEnteredPerTick = 1'024;    // calls that have waited for an activation, and enter it now
inline constexpr std::size_t kWokenPerTick = 256;        // sleeping frames that go on
inline constexpr std::size_t kDepartedMax = 65'536;      // entities known to have left memory in order
inline constexpr std::size_t kTimerTicksPerRun = 1'024;  // of entities' timers, that become due
inline constexpr std::chrono::nanoseconds kReplyLead =
    500ms;  // before its deadline a reply to another node is given up, so that the error arrives in time
inline constexpr std::chrono::nanoseconds kIdleAge = 15min;       // then an activation is deactivated
inline constexpr std::chrono::nanoseconds kGrace = 5s;            // for running calls, before a shard leaves
inline constexpr std::chrono::nanoseconds kHookGraceMin = 250ms;  // for on_deactivate, when an announced grace is over
inline constexpr std::chrono::nanoseconds kTasksLook = 5ms;       // between two looks for tasks that hold up a stop
inline constexpr std::chrono::nanoseconds kTasksLookPerCall = 1us;  // … at least, for each call that it looks at
inline constexpr std::chrono::nanoseconds kTimerAgain = 10ms;       // for a timer's only tick that must not start yet
inline constexpr std::chrono::nanoseconds kUnwindTimeout = 200ms;   // for a cancelled task to end
inline constexpr std::chrono::nanoseconds kReleaseWindow = 25ms;    // how long a leaving shard is closed the first time
inline constexpr int kReleaseWindowGrowth = 4;                      // … and the factor for each further time
inline constexpr std::chrono::nanoseconds kReleaseOpenMax = 100ms;  // between two of them
inline constexpr std::chrono::nanoseconds kReplaceTimeout = 10s;    // with running calls, before a state is replaced
inline constexpr std::size_t kReplacementsMax = 16'384;             // in progress on one node
inline constexpr std::size_t kUndoneChangesMax = 256;               // remembered for the next caller
inline constexpr int kLooksInIdleAge = 8;                           // of the collector, at each activation
inline constexpr std::chrono::nanoseconds kCollectEvery = 1s;
inline constexpr std::chrono::nanoseconds kCollectSoon = 10ms;     // if one slice was not enough
inline constexpr std::chrono::nanoseconds kCollectSettles = 50ms;  // until what was deactivated is out of memory
inline constexpr std::uint64_t kMemorySlackMin = 32u << 20;  // above the budget, or a quarter of it if that is more;
                                                             // from there new work is refused
inline constexpr std::chrono::nanoseconds kRetryParked = 100ms;  // of refused calls, if no newer map has come
inline constexpr std::size_t kCollectSlice = 512;                // activations looked at in one go
inline constexpr std::size_t kTrailLivesMax = 8'192;             // entries of the trail; older ones are dropped …
inline constexpr std::size_t kTrailSavesMax = 4'096;
inline constexpr std::size_t kTrailBytesMax = 2u << 20;  // … and of each of its two rings
inline constexpr std::size_t kTrailWhyBytesMax = 1'024;
inline constexpr std::chrono::nanoseconds kSavesWindow = 2s;  // saves of one activation within it are one entry
inline constexpr std::chrono::nanoseconds kSlowToStop = 1s;   // then the trail records what delays a deactivation
inline constexpr std::size_t kStopsWatchedMax = 4'096;        // tracked like that at once
inline constexpr std::size_t kDescribeVisitsMax =
    4'096;                                           // calls looked at in one tick to name what timed-out ones wait for
inline constexpr std::size_t kCallViewsMax = 2'000;  // calls in flight that are described at once; the oldest
inline constexpr std::uint64_t kSentBatchesMax = 64;  // that wait for the store's turn
inline constexpr std::size_t kSentBatchesBytesMax = 16u
                                                    << 20;    // in them; a state that changes in every tick is in each
inline constexpr std::size_t kMailKnownMax = 65'536;          // messages that a node has read, and that have not ended
inline constexpr std::size_t kMailKnownBytesMax = 64u << 20;  // … and the bytes of their arguments
inline constexpr std::size_t kMailSettledMax = 65'536;  // dead letters that are known to have been retried or dropped
inline constexpr std::size_t kMailPerTick = 1'024;      // messages that begin
inline constexpr std::chrono::nanoseconds kMailDelay = 100ms;  // before a message that could not begin is tried again …
inline constexpr std::chrono::nanoseconds kMailDelayMax = 30s;  // … and at most, doubled each time
inline constexpr std::chrono::nanoseconds kMailMethodFor =
    1min;  // a method that the module does not have is waited for
inline constexpr std::chrono::nanoseconds kMailLookEvery = 1min;  // for messages whose hint was lost
inline constexpr std::size_t kIdempotencyKeyBytesMax = 256;
inline constexpr std::size_t kSubjectBytesMax = 1'024;      // on whose behalf a call is made
inline constexpr std::size_t kAnswerBytesMax = 1u << 20;    // of a result that is kept for repeats
inline constexpr std::size_t kAnswersKnownMax = 65'536;     // keys whose calls a node looks up or runs, or is saving
inline constexpr std::chrono::hours kAnswersKeptFor = 24h;  // … afterwards, at least
inline constexpr std::uint32_t kAnswersSweptAtOnce = 256;
inline constexpr std::chrono::nanoseconds kAnswersLookAgain = 1min;  // if the oldest answer could not be removed
inline constexpr std::size_t kRemindersKnownMax = 64;                // of each shard, the next ones …
inline constexpr std::size_t kRemindersKnownMin = 8;                 // … or fewer, if it has many neighbours, so that
inline constexpr std::size_t kRemindersKnownInAll = 4'096;           // the nodes of a fabric have about so many
inline constexpr std::size_t kRemindersOfEntityMax = 10'000;
inline constexpr std::size_t kReminderNameBytesMax = 256;
inline constexpr std::size_t kReminderArgumentsBytesMax = 64u << 10;
inline constexpr std::chrono::nanoseconds kRemindersReadAgain = 30s;   // after they could not be read
inline constexpr std::chrono::nanoseconds kWallClockLookEvery = 1min;  // it may be set while a reminder waits
inline constexpr std::uint32_t kBlockingThreads = 16;                  // of a node, for epic::blocking
inline constexpr std::uint32_t kBlockingQueueMax = 1'024;              // functions that wait for one of them
inline constexpr std::size_t kFileBytesMax = 64u << 20;                // read or written at once
inline constexpr std::size_t kFilesOpenMax = 256;                      // epic::File, of a node
inline constexpr std::size_t kFileBytesAheadMin = 32u << 10;           // of a request that reads ahead; doubled up to …
inline constexpr std::size_t kFileBytesAhead = 256u << 10;
inline constexpr std::size_t kFileBytesAheadMax = 1u << 20;   // … or what is asked for at once, up to this
inline constexpr std::size_t kFileRequestsAhead = 4;          // of one file
inline constexpr std::size_t kFileBytesUnwritten = 8u << 20;  // of one file; then writes wait
inline constexpr std::size_t kFileBytesTogether = kFileBytesUnwritten / 2;  // of writes carried out by one request
inline constexpr std::size_t kFileBytesCopied = 256u << 10;                 // to make one of several small ones
inline constexpr std::size_t kFilesBytesBuffered = 256u << 20;  // of all open files: then nothing is read ahead, and
                                                                // a write waits for the one before it
inline constexpr std::uint32_t kFileDirectMax = 256;  // operations on one file before the run queue gets its turn
inline constexpr std::size_t kFilePathBytesMax = 1'024;
inline constexpr std::size_t kFileNameBytesMax = 255;     // of each part, as file systems have it
inline constexpr std::size_t kHeldBytesMax = 256u << 20;  // of results that wait for the store before they leave
inline constexpr std::chrono::nanoseconds kHeldCheckEvery = 50ms;  // while the store is blocked

}  // namespace epic::kernel::limits
