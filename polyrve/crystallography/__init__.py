"""What a crystal is: rotations, phases and their symmetry, reference frames, harmonics, orientation distributions."""
