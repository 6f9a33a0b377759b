//! Facts about the controller, told by events and effects.
