#pragma once
// StoredMail: the messages of a project that are still stored, whether or not a fabric is running.
//
// Nothing is written, and no lock is taken. Entities are shown by the current names of their classes.
// Not here: retrying and dropping (mail_settler.hpp).

#include <boost/json/object.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cli/fabric/entity_name.hpp"
#include "cli/project/catalog.hpp"
#include "cli/project/project.hpp"
#include "codec/snapshot_readers.hpp"
#include "storage/store.hpp"

namespace epic::cli {

/// Which messages; by any name of the receiver's class.
struct MailChoice {
  EntityName to = {};                              // empty: any; without a key: all of the type
  std::optional<storage::MailStatus> status = {};  // empty: any
  std::uint64_t limit = UINT64_MAX;
};

class StoredMail {
 public:
  /// A not_found failure if nothing has been saved.
  static Result<StoredMail> open(const ProjectPaths& paths);

  /// In the order in which they became visible, until `visit` returns false. Damaged ones are skipped; `on_damage` gets
  /// a sentence for each.
  Result<void> list(const MailChoice& choice, const std::function<bool(const storage::Mail&)>& visit,
                    const std::function<void(const std::string&)>& on_damage = {});
  /// Empty: none is stored under this id.
  Result<std::optional<storage::FoundMail>> find(const kernel::MailId& id);
  /// To these receivers.
  Result<storage::MailCounts> count(const EntityName& to);
  /// A not_found failure, with the nearest name, if neither the module nor the store knows the type, nor any
  /// message goes to it.
  Result<void> check_type(const std::string& type);

  /// id, status, from, to, method, sent_at, why.
  [[nodiscard]] boost::json::object describe(const storage::Mail& mail) const;
  /// The same, and shard, bytes, schema and arguments; these are null, and `problem` is a sentence, if they cannot be
  /// read.
  struct Page {
    boost::json::object fields;
    std::string problem;
  };
  [[nodiscard]] Page describe_fully(const storage::Mail& mail);

 private:
  StoredMail(std::unique_ptr<storage::Store> store, Catalog names);

  std::unique_ptr<storage::Store> store_;
  Catalog names_;
  codec::SnapshotReaders readers_;  // of the arguments
};

}  // namespace epic::cli
