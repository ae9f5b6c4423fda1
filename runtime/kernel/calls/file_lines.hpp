#pragma once
// FileLines: what an entity asks of one file happens in the order in which it was asked.
//
// A request joins the line of its entity and path when it is made. Then what it follows becomes durable, which may take
// some requests longer than others; then it is ready. It begins once it is ready and those before it have ended; reads
// run beside reads. So of two writes that an entity has spawned the second one stays, also if the first is one that
// nobody waits for any longer, and also if the entity has left memory and come back in between.
//
// Requests of different entities have no order.
//
// Not here: how they are carried out (blocking.hpp).

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "epic/files.hpp"

namespace epic::kernel {

class FileLines {
 public:
  using Work = std::shared_ptr<detail::FileWork>;
  enum class State : std::uint8_t { absent, made, ready, begun };

  /// Takes the last place; `work` says of which entity it is.
  void join(Work work);
  /// The changes before the request are durable. Returns the requests of its line that begin now.
  [[nodiscard]] std::vector<Work> on_ready(const detail::FileWork& work);
  /// The request has ended, or will never begin. Returns the requests that begin now.
  [[nodiscard]] std::vector<Work> leave(const detail::FileWork& work);
  [[nodiscard]] State state_of(const detail::FileWork& work) const;
  /// Takes the owners of all requests, which then have none.
  [[nodiscard]] std::vector<std::shared_ptr<detail::FileOwner>> take_owners();

 private:
  struct Place {
    Work work;  // shared with those who carry it, and the frame that waits
    State state = State::made;
  };
  using Line = std::list<Place>;
  using Lines = std::map<std::pair<std::string, std::string>, Line>;  // by entity and path
  struct Joined {
    Lines::iterator line;
    Line::iterator place;
  };

  [[nodiscard]] static std::vector<Work> begin_some(Line& line);

  Lines lines_;
  std::map<const detail::FileWork*, Joined> joined_;
};

}  // namespace epic::kernel
