#pragma once
// TransferBooks: where each transfer of modules/transfers.hpp is, at one moment of a store.
//
// It is read from the rows, not asked from the fabric. So it may be read while nodes are dying, and from a backup, and
// it sees what no entity could report: messages under way, and dead letters.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "integration/modules/transfers.hpp"
#include "reflect/schema.hpp"
#include "storage/store.hpp"
#include "storage/store_address.hpp"

namespace epic::test {

struct TransferMail {
  std::string id;
  std::string to;
  storage::MailStatus status = storage::MailStatus::waiting;
  std::string why;  // it is dead
  transfers::Transfer transfer;
};

class TransferBooks {
 public:
  /// Also while a fabric runs. Fails the test if something cannot be read.
  [[nodiscard]] static TransferBooks read(const storage::StoreAddress& address);

  /// By id, as their senders have booked them.
  [[nodiscard]] const std::map<std::string, transfers::Entry>& sent() const { return sent_; }
  [[nodiscard]] const std::vector<TransferMail>& mail() const { return mail_; }
  /// The ids of dead letters whose transfers `is_meant`.
  template <class Predicate>
  [[nodiscard]] std::vector<std::string> list_dead(const Predicate& is_meant) const {
    std::vector<std::string> ids;
    for (const TransferMail& one : mail_)
      if (one.status == storage::MailStatus::dead && is_meant(one.transfer)) ids.push_back(one.id);
    return ids;
  }

  /// What is wrong, in sentences: a transfer that is not in exactly one place, one that is a dead letter and may not
  /// be, or a sum that is not `money`.
  [[nodiscard]] std::vector<std::string> judge(std::int64_t money) const;

 private:
  struct Place {
    std::string where;
    std::int64_t amount = 0;
  };
  void add(const storage::Snapshot& snapshot, const reflect::Schema& schema);
  void add(const storage::Mail& mail, const reflect::Schema& schema);

  std::int64_t balances_ = 0;
  std::map<std::string, transfers::Entry> sent_;
  std::multimap<std::string, Place> places_;  // by id
  std::vector<TransferMail> mail_;
};

}  // namespace epic::test
