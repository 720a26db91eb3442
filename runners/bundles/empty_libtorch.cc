// The library libtorch.so that leads nowhere: what it would lead to is loaded (aoti_part.cc).
