// says: list takes a class of entities
#include <epic/epic.hpp>

struct Score {
  int points = 0;
};

epic::Task<> look() { co_await epic::list<Score>(); }
