#pragma once
// Copies: results of const methods that this node keeps, to answer equal calls (Ref::cached).
//
// Equal are calls of one method of one entity with equal arguments. A copy answers those that it is young enough for,
// counted from when its request was made. A request is an ordinary call, whose result is kept when it ends. While it is
// under way, equal calls that it is young enough for share it: they are in the table of calls like any others, with
// their own deadlines, but go nowhere. What has become of the request goes to them by slices (Calls::settle_shared).
//
// A copy knows the commit that its result depends on, and a call that gets it has observed that commit. If a change is
// refused, the copies that may show it are dropped.
//
// Invariant: there are at most as many copies, with as many bytes, as the limits say; the oldest go first.
// Not here:  copying a result (epic/cached.hpp); which calls ask (calls.cpp), and how they end (cached_calls.cpp).

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "epic/cached.hpp"
#include "kernel/clock.hpp"
#include "kernel/ids.hpp"
#include "kernel/limits.hpp"
#include "kernel/record.hpp"
#include "reflect/key_bytes.hpp"

namespace epic::detail {

/// A call whose result will be kept, and the equal calls that wait for it.
struct CopyRequest {
  std::string key;
  std::uint64_t hash;
  kernel::Record* record;
  std::int64_t made_ns;
  std::vector<kernel::RecordRef> sharing;  // some of which may have ended
  std::list<CopyRequest>::iterator place;
};

}  // namespace epic::detail

namespace epic::kernel {

class Copies {
 public:
  struct Limits {
    std::size_t count = 0;
    std::uint64_t bytes = 0;
  };
  /// How a request has ended. Without a copy and a failure, it says nothing about the calls that shared it.
  struct Outcome {
    std::shared_ptr<const detail::Copy> copy;
    std::exception_ptr failure;
    CommitNumber observed;
  };
  struct Shared {
    RecordRef record;
    std::shared_ptr<const Outcome> outcome;
  };

  Copies(Limits limits, const Clock& clock) : limits_(limits), clock_(clock) {}

  /// Ends the call if a copy is young enough for it. False: there is none. What the call has observed is set.
  [[nodiscard]] bool try_answer(Record& record);
  /// After try_answer() for the same call, which is open now. True: it shares a request that is under way. Otherwise it
  /// goes its way, and is one itself.
  [[nodiscard]] bool share(Record& record);
  /// A request has ended, with the result or failure that is in its record.
  void end_request(Record& record, CommitNumber observed);
  /// The next call that has shared a request which has ended. Empty: there is none.
  [[nodiscard]] std::optional<Shared> take_shared();
  [[nodiscard]] bool has_shared() const { return !shared_.empty(); }
  /// The request that the call shares; null: it shares none, or that has ended.
  [[nodiscard]] static const Record* find_request_of(const Record& record);

  /// A change in this batch is refused: nobody gets what may show it.
  void drop_observers_of(CommitNumber batch);
  /// Drops some of those that are too old for every call so far.
  void on_time();
  void clear();

  [[nodiscard]] std::size_t size() const { return kept_.size(); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  struct Kept {
    std::string key;
    std::uint64_t hash;
    std::shared_ptr<const detail::Copy> copy;
    std::int64_t made_ns;    // its request
    std::int64_t wanted_ns;  // the oldest that a call has accepted
    CommitNumber observed;
    std::uint64_t bytes;
    std::list<Kept>::iterator place;
  };
  struct Wanted {
    std::string_view key;
    std::uint64_t hash;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const auto* of) const { return of->hash; }
    std::size_t operator()(const Wanted& wanted) const { return wanted.hash; }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const auto* left, const auto* right) const {
      return left->hash == right->hash && left->key == right->key;
    }
    bool operator()(const Wanted& wanted, const auto* of) const {
      return wanted.hash == of->hash && wanted.key == of->key;
    }
  };

  void make_key(Record& record);
  void keep(const detail::CopyRequest& request, std::shared_ptr<const detail::Copy> copy, CommitNumber observed,
            std::int64_t max_age_ns);
  void drop(Kept& kept);
  [[nodiscard]] bool is_young_enough(std::int64_t made_ns, std::int64_t max_age_ns) const {
    return clock_.now_ns - made_ns < max_age_ns;
  }

  Limits limits_;
  const Clock& clock_;
  reflect::KeyBytes key_{limits::kCopyKeyBytesMax};  // of the call that asked last
  std::uint64_t hash_ = 0;
  std::list<Kept> kept_;  // in the order in which they have come
  std::uint64_t bytes_ = 0;
  boost::unordered_flat_set<Kept*, Hash, Equal> index_;
  std::list<detail::CopyRequest> requests_;
  boost::unordered_flat_set<detail::CopyRequest*, Hash, Equal> under_way_;  // of equal ones the newest
  std::deque<Shared> shared_;
};

}  // namespace epic::kernel
