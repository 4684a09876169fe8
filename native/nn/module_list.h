// A ModuleList whose elements keep their type, so that a forward calls them without a cast.
// Elements are named "0", "1", … as in checkpoints.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <string>
#include <utility>
#include <vector>

namespace latentray::nn {

template <class Item>
class TypedModuleListImpl : public torch::nn::Module {
 public:
  void push_back(Item item) {
    register_module(std::to_string(items_.size()), item);
    items_.push_back(std::move(item));
  }

  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  Item& operator[](size_t index) { return items_[index]; }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }

 private:
  std::vector<Item> items_;
};

template <class Item>
class TypedModuleList : public torch::nn::ModuleHolder<TypedModuleListImpl<Item>> {
 public:
  using torch::nn::ModuleHolder<TypedModuleListImpl<Item>>::ModuleHolder;

  Item& operator[](size_t index) { return (*this->impl_)[index]; }
  auto begin() { return this->impl_->begin(); }
  auto end() { return this->impl_->end(); }
};

}  // namespace latentray::nn
