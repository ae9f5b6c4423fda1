// says: reduce takes a function that returns a call with a result
#include <epic/epic.hpp>

class Vertex : public epic::Entity {
 public:
  epic::Task<double> rank() const { co_return 1; }
  epic::Task<> reset() { co_return; }
  EPIC_ENTITY(Vertex, methods(rank, reset))
};
epic::Task<> use(std::vector<epic::Ref<Vertex>> all) {
  epic::reduce(
      all, [](const epic::Ref<Vertex>& one) { return one->reset(); },
      [](double sum, double rank) { return sum + rank; });
  co_return;
}
