// says: epic: a std::unique_ptr to a class with virtual functions would be saved without what derived classes add; use
// a std::variant of the derived classes
#include <epic/epic.hpp>

struct Shape {
  virtual ~Shape() = default;
  int size = 0;
};
BOOST_DESCRIBE_STRUCT(Shape, (), (size))
class Player : public epic::Entity {
  std::unique_ptr<Shape> value_;

 public:
  EPIC_ENTITY(Player, state(value_))
};
EPIC_MODULE(epic::no_setup, Player)
