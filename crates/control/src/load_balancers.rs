//! Load balancers, as far as endpoint services stand on them.
