"""How much information each modality carries about the user's choice, in bits."""
